import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";

import { answered, client, pathOf, type RunDetails } from "../api/client";
import { Dialog } from "../parts/dialog";
import { TagEditor } from "./tag-editor";

const ENDED = new Set(["Completed", "Failed", "Canceled"]);
type Open = "cancel" | "rename" | "tags" | "delete" | null;

/** What can be done with a run. Each action is confirmed, and shown as soon as it is accepted. */
export function RunActions({ run }: { run: RunDetails }) {
  const [open, setOpen] = useState<Open>(null);
  const close = () => setOpen(null);
  const stops = !run.terminal && run.status !== "CancelRequested";
  return (
    <>
      <button type="button" disabled={!stops} onClick={() => setOpen("cancel")}>
        Cancel
      </button>
      <button type="button" onClick={() => setOpen("rename")}>
        Rename
      </button>
      <button type="button" onClick={() => setOpen("tags")}>
        Tags
      </button>
      {!run.interactive && (
        <Link className="button" href={`/submit?from=${encodeURIComponent(run.id)}`}>
          Submit again
        </Link>
      )}
      <button type="button" className="danger" disabled={!run.terminal} onClick={() => setOpen("delete")}>
        Delete
      </button>
      {open === "cancel" && <CancelDialog run={run} onClose={close} />}
      {open === "rename" && <RenameDialog run={run} onClose={close} />}
      {open === "tags" && <TagEditor run={run} onClose={close} />}
      {open === "delete" && <DeleteDialog run={run} onClose={close} />}
    </>
  );
}

interface Props {
  run: RunDetails;
  onClose: () => void;
}

/** Reads a run, and the lists that it is in, again. */
export function useRefresh(id: string): () => Promise<unknown> {
  const queries = useQueryClient();
  return () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: ["run", id] }),
      queries.invalidateQueries({ queryKey: ["runs"] }),
    ]);
}

function useBelow(id: string) {
  return useQuery({
    queryKey: ["below", id],
    queryFn: () =>
      answered(client.GET("/api/v1/runs/{run_id}/below", { params: { path: { run_id: id } } })),
  }).data?.by_status;
}

function CancelDialog({ run, onClose }: Props) {
  const refresh = useRefresh(run.id);
  const below = Object.entries(useBelow(run.id) ?? {});
  const active = below.reduce((sum, [status, n]) => sum + (ENDED.has(status) ? 0 : n), 0);
  const cancel = async () => {
    const path = { run_id: run.id };
    await answered(client.POST("/api/v1/runs/{run_id}/cancel", { params: { path } }));
    await refresh();
  };
  return (
    <Dialog title="Cancel the run?" action="Cancel the run" danger onConfirm={cancel} onClose={onClose}>
      <p>
        {run.id} is stopped
        {active > 0 && `, and so are the ${active.toLocaleString()} active runs below it`}. What it has
        logged so far is kept.
      </p>
    </Dialog>
  );
}

function RenameDialog({ run, onClose }: Props) {
  const refresh = useRefresh(run.id);
  const [name, setName] = useState(run.display_name ?? "");
  const rename = async () => {
    const path = { run_id: run.id };
    const body = { display_name: name, tags: {}, remove_tags: [], properties: {} };
    await answered(client.PATCH("/api/v1/runs/{run_id}", { params: { path }, body }));
    await refresh();
  };
  return (
    <Dialog title="Rename the run" action="Rename" onConfirm={rename} onClose={onClose}>
      <label className="field tall">
        <span>Name</span>
        <input type="text" value={name} maxLength={256} onChange={(event) => setName(event.target.value)} />
      </label>
    </Dialog>
  );
}

function DeleteDialog({ run, onClose }: Props) {
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const below = Object.values(useBelow(run.id) ?? {}).reduce((sum, n) => sum + n, 0);
  const remove = async () => {
    const path = { run_id: run.id };
    await answered(client.DELETE("/api/v1/runs/{run_id}", { params: { path } }));
    navigate(pathOf("/experiments", run.experiment));
    queries.removeQueries({ queryKey: ["run", run.id] });
    await queries.invalidateQueries({ queryKey: ["runs"] });
  };
  return (
    <Dialog title="Delete the run for good?" action="Delete" danger onConfirm={remove} onClose={onClose}>
      <p>
        {run.id}
        {below > 0 && ` and the ${below.toLocaleString()} runs below it`} are deleted with their metrics,
        logs and files. This cannot be undone.
      </p>
    </Dialog>
  );
}
