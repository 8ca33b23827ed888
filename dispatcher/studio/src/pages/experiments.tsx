import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "wouter";

import { answered, client, type ExperimentSummary, pathOf } from "../api/client";
import { useAddress } from "../parts/address";
import { SearchField } from "../parts/search-field";
import { SortHead } from "../parts/sort-head";
import { Empty, Loading, PageHead, Problem } from "../parts/states";
import { Duration, Moment, Status } from "../parts/status";

const PAGE = 50;
type Order = "newest" | "name" | "runs";

/** All experiments: what is active in each and where, its last result and its duration. */
export function ExperimentsPage() {
  const { get, set } = useAddress();
  const order = (get("sort") || "newest") as Order;
  const query = {
    text: get("text"),
    archived: get("archived") === "1",
    order,
    descending: get("up") === "" ? order !== "name" : get("up") !== "1",
    offset: Number(get("from")) || 0,
    limit: PAGE,
  };
  const page = useQuery({
    queryKey: ["experiments", query],
    queryFn: () => answered(client.GET("/api/v1/overview/experiments", { params: { query } })),
    placeholderData: keepPreviousData,
  });
  const total = page.data?.total ?? 0;
  const head = (column: Order, text: string) => (
    <SortHead
      text={text}
      sorted={order === column ? (query.descending ? "descending" : "ascending") : "none"}
      onSort={() =>
        set({ sort: column, up: order === column && query.descending ? "1" : "0", from: null })
      }
    />
  );
  return (
    <>
      <PageHead title="Experiments">
        <Link href="/submit" className="button primary">
          Submit a run
        </Link>
      </PageHead>
      <div className="filters">
        <SearchField
          label="Search names and tags"
          value={query.text}
          onChange={(text) => set({ text, from: null })}
        />
        <label>
          <input
            type="checkbox"
            checked={query.archived}
            onChange={(event) => set({ archived: event.target.checked ? "1" : null, from: null })}
          />
          Archived
        </label>
        <span className="count">{page.data && `${String(total)} ${total === 1 ? "experiment" : "experiments"}`}</span>
      </div>
      <Problem error={page.error} />
      {page.isPending && !page.error && <Loading />}
      {page.data?.total === 0 && <Empty>No experiment here yet. Submit a run, and it appears.</Empty>}
      {total > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label="Experiments">
          <table className="list experiments">
            <thead>
              <tr>
                {head("name", "Experiment")}
                {head("runs", "Runs")}
                <th>Active</th>
                <th>Active targets</th>
                <th>Last result</th>
                <th>Duration</th>
                {head("newest", "Last run")}
              </tr>
            </thead>
            <tbody>
              {page.data?.experiments.map((each) => (
                <Row key={each.name} experiment={each} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {total > PAGE && (
        <div className="pager">
          <button
            type="button"
            disabled={query.offset === 0}
            onClick={() => set({ from: String(Math.max(0, query.offset - PAGE)) })}
          >
            Previous
          </button>
          <span>
            {query.offset + 1}–{Math.min(total, query.offset + PAGE)} of {total}
          </span>
          <button
            type="button"
            disabled={query.offset + PAGE >= total}
            onClick={() => set({ from: String(query.offset + PAGE) })}
          >
            Next
          </button>
        </div>
      )}
    </>
  );
}

function Row({ experiment }: { experiment: ExperimentSummary }) {
  const running = experiment.active.reduce((sum, each) => sum + each.running, 0);
  const waiting = experiment.active.reduce((sum, each) => sum + each.waiting, 0);
  const last = experiment.last_ended;
  const timed = experiment.newest ?? last;
  return (
    <tr>
      <td>
        <Link href={pathOf("/experiments", experiment.name)} className="name">
          {experiment.name}
        </Link>
      </td>
      <td className="figure">{experiment.runs.toLocaleString()}</td>
      <td>
        {running > 0 && <span className="status busy">{running} running</span>}{" "}
        {waiting > 0 && <span className="status waiting">{waiting} waiting</span>}
        {running + waiting === 0 && <span className="faint">–</span>}
      </td>
      <td>
        {experiment.active.length === 0 && <span className="faint">–</span>}
        {experiment.active.map((each) => (
          <Link
            key={each.target}
            className="tag"
            href={`${pathOf("/experiments", experiment.name)}?target=${encodeURIComponent(each.target)}`}
          >
            <b>{each.target}</b> {each.running + each.waiting}
          </Link>
        ))}
      </td>
      <td>
        {last === null ? (
          <span className="faint">–</span>
        ) : (
          <Link href={pathOf("/runs", last.id)} title={last.name}>
            <Status status={last.status} />
          </Link>
        )}
      </td>
      <td>{timed ? <Duration run={timed} /> : <span className="faint">–</span>}</td>
      <td>
        <Moment at={timed?.started_at ?? timed?.created_at} />
      </td>
    </tr>
  );
}
