import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";

import { answered, client, pathOf, type TargetSummary } from "../api/client";
import { Empty, Loading, PageHead, Problem } from "../parts/states";
import { Duration, Status } from "../parts/status";

/** The compute targets: whether each answers, what it has, what runs and what waits there. */
export function TargetsPage() {
  const targets = useQuery({
    queryKey: ["targets"],
    queryFn: () => answered(client.GET("/api/v1/overview/targets")),
    refetchInterval: 10_000, // whether a target answers is not an event
  });
  return (
    <>
      <PageHead title="Compute targets" />
      <Problem error={targets.error} />
      {targets.isPending && !targets.error && <Loading />}
      {targets.data?.targets.length === 0 && <Empty>No compute target is attached.</Empty>}
      <div className="cards">
        {targets.data?.targets.map((target) => <Target key={target.name} target={target} />)}
      </div>
    </>
  );
}

function Target({ target }: { target: TargetSummary }) {
  const [state, setState] = useState("");
  const runs = (status: string) => `/runs?target=${encodeURIComponent(target.name)}&status=${status}`;
  const ping = async () => {
    setState("Asking …");
    try {
      const path = { name: target.name };
      const answer = await answered(client.POST("/api/v1/targets/{name}/ping", { params: { path } }));
      setState(answer.answers ? "It answers." : "It does not answer.");
    } catch (error) {
      setState(error instanceof Error ? error.message : "It could not be asked.");
    }
  };
  return (
    <section className="card" aria-label={target.name}>
      <div className="card-head">
        <h2>{target.name}</h2>
        <span className={`status ${target.answers ? "good" : "bad"}`}>
          {target.answers ? "Answers" : "Does not answer"}
        </span>
      </div>
      <dl className="facts">
        <dt>Kind</dt>
        <dd>{target.kind}</dd>
        <dt>Capacity</dt>
        <dd>{target.capacity ?? "unknown"}</dd>
        <dt>Running</dt>
        <dd>
          <Link href={runs("Running")}>{target.running}</Link>
        </dd>
        <dt>Waiting</dt>
        <dd>
          <Link href={runs("Queued")}>{target.waiting}</Link>
        </dd>
        {target.orphan_jobs > 0 && (
          <>
            <dt>Orphan jobs</dt>
            <dd>
              {target.orphan_jobs}; <code>dispatcher computetarget clear {target.name}</code> ends them
            </dd>
          </>
        )}
      </dl>
      <OnTarget target={target} />
      <div className="card-actions">
        <button type="button" onClick={() => void ping()}>
          Ping
        </button>
        <span role="status">{state}</span>
      </div>
    </section>
  );
}

/** The runs that run there now. */
function OnTarget({ target }: { target: TargetSummary }) {
  const query = {
    target: target.name,
    status: ["Running", "Finalizing", "CancelRequested"],
    include_children: true,
    limit: 8,
  };
  const runs = useQuery({
    queryKey: ["runs", "on target", target.name],
    queryFn: () => answered(client.GET("/api/v1/overview/runs", { params: { query } })),
    enabled: target.running > 0,
  });
  if (target.running === 0 || runs.data === undefined) return null;
  return (
    <ul className="on-target">
      {runs.data.runs.map((run) => (
        <li key={run.id}>
          <Link href={pathOf("/runs", run.id)}>{run.name}</Link> <Status status={run.status} />{" "}
          <Duration run={run} />
        </li>
      ))}
    </ul>
  );
}
