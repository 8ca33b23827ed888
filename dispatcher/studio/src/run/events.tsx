import { useQuery } from "@tanstack/react-query";

import { answered, client, type RunDetails } from "../api/client";
import { moment } from "../format/time";
import { Loading, Problem } from "../parts/states";

const COLUMNS = new Set(["version", "attempt", "type", "at"]);

/** What happened to a run, in order, with the evidence of how each attempt ended. */
export function Events({ run }: { run: RunDetails }) {
  const history = useQuery({
    queryKey: ["run", run.id, "history"],
    queryFn: () =>
      answered(client.GET("/api/v1/runs/{run_id}/attempts", { params: { path: { run_id: run.id } } })),
  });
  if (history.data === undefined) return history.error ? <Problem error={history.error} /> : <Loading />;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Events">
      <table className="list">
        <thead>
          <tr>
            <th>When</th>
            <th>Event</th>
            <th>Attempt</th>
            <th className="wide">What is known</th>
          </tr>
        </thead>
        <tbody>
          {history.data.events.map((event) => (
            <tr key={String(event["version"])} className="top">
              <td>{moment(asText(event["at"]))}</td>
              <td>{asText(event["type"])}</td>
              <td className="figure">{String(event["attempt"])}</td>
              <td className="wide">
                <Known event={event} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Known({ event }: { event: Record<string, unknown> }) {
  const rest = Object.entries(event).filter(([name, value]) => !COLUMNS.has(name) && !isNothing(value));
  if (rest.length === 0) return <span className="faint">–</span>;
  return <pre className="json">{JSON.stringify(Object.fromEntries(rest), null, 1)}</pre>;
}

function isNothing(value: unknown): boolean {
  return value === null || (typeof value === "object" && Object.keys(value).length === 0);
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
