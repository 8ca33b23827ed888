import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link } from "wouter";

import { answered, client, pathOf, type RunDetails } from "../api/client";
import { joinArguments } from "../format/words";
import { moment } from "../format/time";
import { Problem } from "../parts/states";
import { StatusBar, Tags } from "../parts/status";

/** The facts of a run, why it waits or how it failed, and what is below it. */
export function Overview({ run }: { run: RunDetails }) {
  return (
    <div className="overview">
      <div className="column">
        <Waiting run={run} />
        <Failure run={run} />
        {run.warnings.map((warning, k) => (
          <p key={k} className="warning">
            <b>{warning.source}</b> {warning.message}
          </p>
        ))}
        <Facts run={run} />
      </div>
      <div className="column">
        <Below run={run} />
        <Labels title="Tags">{Object.keys(run.tags).length > 0 && <Tags tags={run.tags} />}</Labels>
        <Properties run={run} />
      </div>
    </div>
  );
}

function Waiting({ run }: { run: RunDetails }) {
  const told = useQuery({
    queryKey: ["run", run.id, "explain"],
    queryFn: () =>
      answered(client.GET("/api/v1/runs/{run_id}/explain", { params: { path: { run_id: run.id } } })),
    enabled: !run.terminal,
    refetchInterval: run.terminal ? false : 5_000, // it depends on other runs, too
  });
  if (run.terminal || !told.data?.reason) return null;
  return (
    <p className="note" role="status">
      <b>Why it waits</b> {told.data.reason}
    </p>
  );
}

function Failure({ run }: { run: RunDetails }) {
  if (run.error === null) return null;
  const error = (run.error["error"] ?? run.error) as Record<string, unknown>;
  const text = typeof error["message"] === "string" ? error["message"] : JSON.stringify(error, null, 2);
  return (
    <div className="problem">
      <b>{typeof error["code"] === "string" ? error["code"] : "Error"}</b>
      <pre>{text}</pre>
      <Link href={`${pathOf("/runs", run.id)}?tab=logs`}>Open the logs</Link>
    </div>
  );
}

function Facts({ run }: { run: RunDetails }) {
  const words = run.definition["arguments"];
  const script = run.definition["script"];
  const facts: [string, string | null][] = [
    ["Submitted", `${moment(run.created_at)} by ${run.submitted_by}`],
    ["Started", moment(run.started_at)],
    ["Ended", moment(run.ended_at)],
    ["Target", run.interactive ? null : run.target],
    ["Nodes", run.nodes.join(", ")],
    ["GPUs", run.gpus.join(", ")],
    ["Script", typeof script === "string" ? script : null],
    ["Arguments", Array.isArray(words) ? joinArguments(words.map(String)) : null],
    ["Attempt", run.attempt > 1 ? String(run.attempt) : null],
    ["Exit code", run.exit_code === null ? null : String(run.exit_code)],
    ["Number", String(run.number)],
    ["Type", run.type],
    ["Description", run.description],
  ];
  return (
    <dl className="facts">
      {facts
        .filter(([, value]) => value !== null && value !== "" && value !== "–")
        .map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} value`}>{value}</dd>])}
    </dl>
  );
}

function Below({ run }: { run: RunDetails }) {
  const below = useQuery({
    queryKey: ["below", run.id],
    queryFn: () =>
      answered(client.GET("/api/v1/runs/{run_id}/below", { params: { path: { run_id: run.id } } })),
    enabled: run.children.total > 0,
  });
  const children = useQuery({
    queryKey: ["runs", "children of", run.id],
    queryFn: () => {
      const query = { parent: run.id, order: "number" as const, limit: 100 };
      return answered(client.GET("/api/v1/overview/runs", { params: { query } }));
    },
    enabled: run.children.total > 0,
  });
  if (run.children.total === 0) return null;
  return (
    <Labels title="Runs below">
      <Problem error={below.error ?? children.error} />
      {below.data && <StatusBar counts={below.data.by_status} />}
      <ul className="children-list">
        {children.data?.runs.map((child) => (
          <li key={child.id}>
            <span className={`dot ${dotTone(child.status)}`} title={child.status} />
            <Link href={pathOf("/runs", child.id)}>{child.name}</Link>
            <span className="faint">
              {child.status}
              {child.children > 0 && ` · ${String(child.children)} children`}
            </span>
          </li>
        ))}
      </ul>
      {run.children.total > 100 && (
        <Link href={`${pathOf("/experiments", run.experiment)}?open=${encodeURIComponent(run.root_id)}`}>
          All {run.children.total.toLocaleString()} children
        </Link>
      )}
    </Labels>
  );
}

function dotTone(status: string): string {
  if (status === "Completed") return "good";
  if (status === "Failed") return "bad";
  return status === "Running" ? "busy" : "off";
}

function Labels({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    children !== false && (
      <section className="block" aria-label={title}>
        <h2>{title}</h2>
        {children}
      </section>
    )
  );
}

function Properties({ run }: { run: RunDetails }) {
  const [all, setAll] = useState(false);
  const entries = useMemo(() => Object.entries(run.properties), [run.properties]);
  if (entries.length === 0) return null;
  return (
    <Labels title="Properties">
      <dl className="facts">
        {(all ? entries : entries.slice(0, 8)).map(([key, value]) => [
          <dt key={key}>{key}</dt>,
          <dd key={`${key} value`}>{value}</dd>,
        ])}
      </dl>
      {entries.length > 8 && (
        <button type="button" className="quiet" onClick={() => setAll(!all)}>
          {all ? "Show fewer" : `Show all ${String(entries.length)}`}
        </button>
      )}
    </Labels>
  );
}
