import { useState } from "react";

import { answered, client, type RunDetails } from "../api/client";
import { Dialog } from "../parts/dialog";
import { useRefresh } from "./actions";

/** Adds, changes and removes tags; all at once, when confirmed. */
export function TagEditor({ run, onClose }: { run: RunDetails; onClose: () => void }) {
  const refresh = useRefresh(run.id);
  const [tags, setTags] = useState(() => Object.entries(run.tags).map(([key, value]) => ({ key, value })));
  const save = async () => {
    const kept = Object.fromEntries(tags.filter(({ key }) => key !== "").map(({ key, value }) => [key, value]));
    const removed = Object.keys(run.tags).filter((key) => !(key in kept));
    const path = { run_id: run.id };
    const body = { tags: kept, remove_tags: removed, properties: {} };
    await answered(client.PATCH("/api/v1/runs/{run_id}", { params: { path }, body }));
    await refresh();
  };
  const change = (index: number, part: { key?: string; value?: string }) =>
    setTags(tags.map((tag, k) => (k === index ? { ...tag, ...part } : tag)));
  return (
    <Dialog title="Tags of the run" action="Save" onConfirm={save} onClose={onClose}>
      {tags.map((tag, index) => (
        <div className="tag-line" key={index}>
          <input
            type="text"
            aria-label={`Key ${String(index + 1)}`}
            placeholder="key"
            value={tag.key}
            onChange={(event) => change(index, { key: event.target.value })}
          />
          <input
            type="text"
            aria-label={`Value ${String(index + 1)}`}
            placeholder="value"
            value={tag.value ?? ""}
            onChange={(event) => change(index, { value: event.target.value })}
          />
          <button
            type="button"
            className="quiet"
            aria-label={`Remove ${tag.key}`}
            onClick={() => setTags(tags.filter((_, k) => k !== index))}
          >
            Remove
          </button>
        </div>
      ))}
      <button type="button" className="quiet" onClick={() => setTags([...tags, { key: "", value: "" }])}>
        Add a tag
      </button>
    </Dialog>
  );
}
