import { useQuery } from "@tanstack/react-query";

import { answered, client, pathOf, type RunDetails } from "../api/client";
import { bytes } from "../format/time";
import { useAddress } from "../parts/address";
import { FilePreview } from "../parts/file-preview";
import { Empty, Loading, Problem } from "../parts/states";

/** Path, mode, size and SHA-256. */
type ManifestEntry = [string, number, number, string];

/** The files that a run was started from. */
export function SnapshotFiles({ run }: { run: RunDetails }) {
  const { get, set } = useAddress();
  const id = run.properties["ContentSnapshotId"] ?? null;
  const manifest = useQuery({
    queryKey: ["snapshot", id],
    queryFn: () =>
      answered(client.GET("/api/v1/snapshots/{snapshot_id}", { params: { path: { snapshot_id: id ?? "" } } })),
    enabled: id !== null,
    staleTime: Infinity,
  });
  if (id === null) return <Empty>The run has no snapshot.</Empty>;
  if (manifest.data === undefined) return manifest.error ? <Problem error={manifest.error} /> : <Loading />;
  const files = manifest.data.files as ManifestEntry[];
  const script = run.definition["script"];
  const name = get("file") || (typeof script === "string" ? script : "");
  const chosen = files.find(([path]) => path === name);
  return (
    <div className="split">
      <ul className="files" aria-label="Files of the snapshot">
        {files.map(([path, , size]) => (
          <li key={path}>
            <button
              type="button"
              aria-current={path === chosen?.[0] ? "true" : undefined}
              onClick={() => set({ file: path })}
            >
              <span>{path}</span> <span className="faint">{bytes(size)}</span>
            </button>
          </li>
        ))}
      </ul>
      {chosen === undefined ? (
        <Empty>Choose a file to see it.</Empty>
      ) : (
        <FilePreview
          key={chosen[3]}
          url={`/api/v1/snapshots/${id}/files/${pathOf(chosen[0])}`}
          name={chosen[0]}
          size={chosen[2]}
        />
      )}
    </div>
  );
}
