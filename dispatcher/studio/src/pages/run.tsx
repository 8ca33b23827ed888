import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { Link } from "wouter";

import { answered, client, pathOf } from "../api/client";
import { useAddress } from "../parts/address";
import { Loading, PageHead, Problem } from "../parts/states";
import { Duration, Status } from "../parts/status";
import { RunActions } from "../run/actions";
import { Events } from "../run/events";
import { Logs } from "../run/logs";
import { Outputs } from "../run/outputs";
import { Overview } from "../run/overview";
import { SnapshotFiles } from "../run/snapshot";

const Metrics = lazy(() => import("../run/metrics"));
const TABS = ["overview", "metrics", "logs", "outputs", "snapshot", "events"] as const;

/** A run: what it is and how it stands; a tab for each kind of thing that it made. */
export function RunPage({ id }: { id: string }) {
  const { get, set } = useAddress();
  const tab = TABS.find((each) => each === get("tab")) ?? "overview";
  const query = useQuery({
    queryKey: ["run", id],
    queryFn: () => answered(client.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: id } } })),
  });
  const run = query.data;
  if (run === undefined) return query.error ? <Problem error={query.error} /> : <Loading />;
  const above = [...run.ancestors].reverse();
  return (
    <>
      <PageHead
        trail={
          <>
            <Link href="/">Experiments</Link>
            <Link href={pathOf("/experiments", run.experiment)}>{run.experiment}</Link>
            {above.map((each) => (
              <Link key={each.id} href={pathOf("/runs", each.id)}>
                {each.display_name ?? each.name ?? each.id}
              </Link>
            ))}
          </>
        }
        title={run.display_name ?? run.name ?? run.id}
      >
        <RunActions run={run} />
      </PageHead>
      <div className="run-line">
        <Status status={run.status} />
        <span>{run.interactive ? "interactive" : `on ${run.target}`}</span>
        <Duration run={run} />
        <span>by {run.submitted_by}</span>
        <code className="faint">{run.id}</code>
      </div>
      <Problem error={query.error} />
      <div className="tabs" role="tablist" aria-label="Parts of the run">
        {TABS.map((each) => (
          <button
            key={each}
            type="button"
            role="tab"
            id={`tab-${each}`}
            aria-selected={each === tab}
            aria-controls="panel"
            tabIndex={each === tab ? 0 : -1}
            onClick={() => set({ tab: each === "overview" ? null : each, file: null })}
            onKeyDown={(event) => {
              const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
              if (step === undefined) return;
              const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length];
              set({ tab: next ?? null, file: null });
              document.getElementById(`tab-${next ?? ""}`)?.focus();
            }}
          >
            {each.charAt(0).toUpperCase() + each.slice(1)}
          </button>
        ))}
      </div>
      <div id="panel" role="tabpanel" aria-labelledby={`tab-${tab}`} className="panel">
        {tab === "overview" && <Overview run={run} />}
        {tab === "metrics" && (
          <Suspense fallback={<Loading />}>
            <Metrics run={run} />
          </Suspense>
        )}
        {tab === "logs" && <Logs run={run} />}
        {tab === "outputs" && <Outputs run={run} />}
        {tab === "snapshot" && <SnapshotFiles run={run} />}
        {tab === "events" && <Events run={run} />}
      </div>
    </>
  );
}
