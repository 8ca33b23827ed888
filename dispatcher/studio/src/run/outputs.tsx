import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { answered, client, pathOf, type RunDetails } from "../api/client";
import { bytes } from "../format/time";
import { useAddress } from "../parts/address";
import { FilePreview } from "../parts/file-preview";
import { Empty, Loading, Problem } from "../parts/states";

/** The files that a run has written, with a preview. */
export function Outputs({ run }: { run: RunDetails }) {
  const { get, set } = useAddress();
  const [text, setText] = useState("");
  const pages = useInfiniteQuery({
    queryKey: ["run", run.id, "artifacts"],
    queryFn: ({ pageParam }) =>
      answered(
        client.GET("/api/v1/runs/{run_id}/artifacts", {
          params: { path: { run_id: run.id }, query: { after: pageParam, limit: 500 } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    refetchInterval: run.terminal ? false : 5_000, // a new file is not an event
  });
  if (pages.data === undefined) return pages.error ? <Problem error={pages.error} /> : <Loading />;
  const files = pages.data.pages.flatMap((page) => page.artifacts);
  const shown = files.filter((file) => file.name.toLowerCase().includes(text.toLowerCase()));
  const chosen = files.find((file) => file.name === get("file"));
  if (files.length === 0) return <Empty>The run has written no files yet.</Empty>;
  return (
    <div className="split">
      <div className="files-side">
        <input
          type="search"
          aria-label="Search files"
          placeholder="Search files"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <ul className="files" aria-label="Files">
          {shown.map((file) => (
            <li key={file.name}>
              <button
                type="button"
                aria-current={file.name === chosen?.name ? "true" : undefined}
                onClick={() => set({ file: file.name })}
              >
                <span>{file.name}</span> <span className="faint">{bytes(file.size)}</span>
              </button>
            </li>
          ))}
        </ul>
        {pages.hasNextPage && (
          <button type="button" onClick={() => void pages.fetchNextPage()}>
            More files
          </button>
        )}
      </div>
      {chosen === undefined ? (
        <Empty>Choose a file to see it.</Empty>
      ) : (
        <FilePreview
          key={chosen.sha256}
          url={`/api/v1/runs/${pathOf(run.id)}/artifacts/${pathOf(chosen.name)}`}
          name={chosen.name}
          size={chosen.size}
        />
      )}
    </div>
  );
}
