import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useLocation } from "wouter";

import { answered, client, pathOf, type RunDetails, type TargetSummary } from "../api/client";
import { joinArguments, splitArguments } from "../format/words";
import { useAddress } from "../parts/address";
import { Loading, PageHead, Problem } from "../parts/states";
import { type SourceFile, uploadSnapshot } from "../run/snapshot-upload";

const DEFAULT_TARGET = "dispatcher.default-target";

/** Submits a run: of files from this computer, or of an earlier run's snapshot. */
export function SubmitPage() {
  const { get } = useAddress();
  const from = get("from");
  const earlier = useQuery({
    queryKey: ["run", from],
    queryFn: () => answered(client.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: from } } })),
    enabled: from !== "",
  });
  const targets = useQuery({
    queryKey: ["targets"],
    queryFn: () => answered(client.GET("/api/v1/overview/targets")),
  });
  const waits = targets.data === undefined || (from !== "" && earlier.data === undefined);
  return (
    <>
      <PageHead title="Submit a run" />
      <Problem error={earlier.error ?? targets.error} />
      {waits && !earlier.error && !targets.error && <Loading />}
      {targets.data && (from === "" || earlier.data) && (
        <SubmitForm
          key={from}
          targets={targets.data.targets}
          earlier={earlier.data ?? null}
          experiment={get("experiment")}
        />
      )}
    </>
  );
}

interface Props {
  targets: TargetSummary[];
  earlier: RunDetails | null;
  experiment: string;
}

function SubmitForm({ targets, earlier, experiment }: Props) {
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const [files, setFiles] = useState<SourceFile[]>([]);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [standard, setStandard] = useState(() => localStorage.getItem(DEFAULT_TARGET) ?? "");
  const first = earlier?.target ?? targets.find(({ name }) => name === standard)?.name ?? targets[0]?.name ?? "";
  const [target, setTarget] = useState(first);
  const scripts = files.map(({ path }) => path).filter((path) => path.endsWith(".py"));
  const choose = async (list: FileList | null) => {
    const chosen = [...(list ?? [])].map(async (file) => ({
      path: (file.webkitRelativePath || file.name).split("/").slice(file.webkitRelativePath ? 1 : 0).join("/"),
      data: new Uint8Array(await file.arrayBuffer()),
    }));
    setFiles(await Promise.all(chosen));
  };
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    setBusy(true);
    setError(null);
    try {
      const words = splitArguments(text("arguments"));
      if (words === null) throw new Error("Arguments: a quote is not closed.");
      const snapshot = earlier === null ? await uploadSnapshot(files) : (earlier.properties["ContentSnapshotId"] ?? null);
      if (snapshot === null) throw new Error(`Run ${earlier?.id ?? ""} has no snapshot to start from.`);
      const run = {
        id: newId(text("experiment")),
        experiment: text("experiment"),
        script: text("script"),
        arguments: words,
        target,
        snapshot,
        ...(text("name") === "" ? {} : { display_name: text("name") }),
        properties: { ContentSnapshotId: snapshot },
        definition: { script: text("script"), target },
      };
      const body = { common: {}, runs: [run], brief: true } as never; // the service fills in defaults
      await answered(client.POST("/api/v1/runs", { body }));
      await queries.invalidateQueries({ queryKey: ["runs"] });
      navigate(pathOf("/runs", run.id));
    } catch (refused) {
      setError(refused);
      setBusy(false);
    }
  };
  const makeStandard = () => {
    localStorage.setItem(DEFAULT_TARGET, target);
    setStandard(target);
  };
  return (
    <form className="submit" onSubmit={(event) => void submit(event)}>
      <label className="field tall">
        <span>Experiment</span>
        <input
          name="experiment"
          type="text"
          required
          pattern="[a-zA-Z0-9][\w\-]*"
          title="A letter or digit, then letters, digits, underscores and dashes"
          defaultValue={earlier?.experiment ?? experiment}
        />
      </label>
      <label className="field tall">
        <span>Name of the run (optional)</span>
        <input name="name" type="text" maxLength={256} defaultValue={earlier?.display_name ?? ""} />
      </label>
      {earlier === null ? (
        <label className="field tall">
          <span>Script and the files beside it</span>
          <input type="file" multiple required onChange={(event) => void choose(event.target.files)} />
        </label>
      ) : (
        <p className="note">The files are those of the snapshot of {earlier.id}.</p>
      )}
      <label className="field tall">
        <span>Script</span>
        <input
          key={scripts[0] ?? ""}
          name="script"
          type="text"
          required
          list="scripts"
          defaultValue={earlier === null ? (scripts[0] ?? "") : scriptOf(earlier)}
        />
        <datalist id="scripts">
          {scripts.map((script) => (
            <option key={script} value={script} />
          ))}
        </datalist>
      </label>
      <label className="field tall">
        <span>Arguments</span>
        <input name="arguments" type="text" defaultValue={earlier === null ? "" : argumentsOf(earlier)} />
      </label>
      <div className="target-line">
        <label className="field tall">
          <span>Compute target</span>
          <select value={target} onChange={(event) => setTarget(event.target.value)}>
            {targets.map(({ name, capacity }) => (
              <option key={name} value={name}>
                {name}
                {name === standard && " (default)"}
                {capacity !== null && ` · ${capacity}`}
              </option>
            ))}
          </select>
        </label>
        <button type="button" disabled={target === standard} onClick={makeStandard}>
          {target === standard ? "This is the default" : "Make it the default"}
        </button>
      </div>
      <Problem error={error} />
      <div>
        <button type="submit" className="primary" disabled={busy}>
          {busy ? "Submitting …" : "Submit"}
        </button>
      </div>
    </form>
  );
}

function newId(experiment: string): string {
  const random = [...crypto.getRandomValues(new Uint8Array(4))];
  const hex = random.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${experiment}_${String(Math.floor(Date.now() / 1000))}_${hex}`;
}

function scriptOf(run: RunDetails): string {
  const script = run.definition["script"];
  return typeof script === "string" ? script : "";
}

function argumentsOf(run: RunDetails): string {
  const words = run.definition["arguments"];
  return Array.isArray(words) ? joinArguments(words.map(String)) : "";
}
