import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { Link } from "wouter";

import { answered, client, type RunOrder } from "../api/client";
import { useAddress } from "../parts/address";
import { SearchField } from "../parts/search-field";
import { Empty, Loading, PageHead, Problem } from "../parts/states";
import { STATUSES, statusWord } from "../parts/status";
import { RunTable } from "../run/table";
import { isFiltered, type RunFilter, useRunTree } from "../run/tree";

/** The runs of an experiment, or all: as a tree, found by filters that are all in the address. */
export function RunsPage({ experiment }: { experiment?: string }) {
  const address = useAddress();
  const { get, all, set } = address;
  const open = useMemo(() => all("open"), [all]);
  const [shown, setShown] = useState<Record<string, number>>({});
  const filter: RunFilter = {
    experiment: experiment ?? get("experiment"),
    text: get("text"),
    tags: all("tag"),
    submitter: get("submitter"),
    statuses: all("status"),
    target: get("target"),
    order: (get("sort") || "newest") as RunOrder,
    descending: get("down") === "1",
  };
  const { pages, rows, flat } = useRunTree(filter, open, shown);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const first = pages.data?.pages[0];
  const total = first?.total ?? 0;
  const words = total === (first?.counted ?? 0) && total > 0 ? `${total.toLocaleString()} or more` : total.toLocaleString();
  return (
    <>
      <PageHead
        trail={experiment !== undefined && <Link href="/">Experiments</Link>}
        title={experiment ?? "Runs"}
      >
        <Link
          href={experiment === undefined ? "/submit" : `/submit?experiment=${encodeURIComponent(experiment)}`}
          className="button primary"
        >
          Submit a run
        </Link>
      </PageHead>
      <Filters filter={filter} set={set} withExperiment={experiment === undefined} />
      <p className="count" aria-live="polite">
        {first && `${words} ${total === 1 ? "run" : "runs"} ${flat ? "found, at every depth" : "without a parent"}`}
      </p>
      <Problem error={pages.error} />
      {pages.isPending && !pages.error && <Loading />}
      {first && total === 0 && (
        <Empty>{isFiltered(filter) ? "No run fits these filters." : "No run here yet."}</Empty>
      )}
      {rows.length > 0 && (
        <RunTable
          rows={rows}
          flat={flat}
          withExperiment={experiment === undefined}
          order={filter.order}
          descending={filter.descending}
          onSort={(order) => set(nextSort(filter, order))}
          onToggle={(id) => set({ open: open.includes(id) ? open.filter((each) => each !== id) : [...open, id] })}
          onMore={(id) => setShown((before) => ({ ...before, [id]: (before[id] ?? 1) + 1 }))}
          onTag={(tag) => set({ tag: [...new Set([...filter.tags, tag])] })}
          onEnd={onEnd}
        />
      )}
    </>
  );
}

/** Upwards, downwards, and then the newest first again. */
function nextSort(filter: RunFilter, order: RunOrder) {
  if (filter.order !== order) return { sort: order, down: null };
  return filter.descending ? { sort: null, down: null } : { sort: order, down: "1" };
}

function Filters(props: {
  filter: RunFilter;
  set: ReturnType<typeof useAddress>["set"];
  withExperiment: boolean;
}) {
  const { filter, set } = props;
  const targets = useQuery({
    queryKey: ["targets"],
    queryFn: () => answered(client.GET("/api/v1/overview/targets")),
  });
  const [tag, setTag] = useState("");
  return (
    <div className="filters">
      <SearchField
        label="Search names, tags, submitters …"
        value={filter.text}
        onChange={(text) => set({ text })}
      />
      <label className="field">
        <span>Status</span>
        <select
          value={filter.statuses.length > 1 ? "active" : (filter.statuses[0] ?? "")}
          onChange={({ target }) => set({ status: target.value === "active" ? ACTIVE : target.value })}
        >
          <option value="">Any</option>
          <option value="active">Active</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {statusWord(status)}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Target</span>
        <select value={filter.target} onChange={({ target }) => set({ target: target.value })}>
          <option value="">Any</option>
          {targets.data?.targets.map(({ name }) => <option key={name}>{name}</option>)}
          {filter.target !== "" && !targets.data?.targets.some(({ name }) => name === filter.target) && (
            <option>{filter.target}</option>
          )}
        </select>
      </label>
      {props.withExperiment && (
        <Exact label="Experiment" value={filter.experiment} onChange={(value) => set({ experiment: value })} />
      )}
      <Exact label="Submitter" value={filter.submitter} onChange={(value) => set({ submitter: value })} />
      <form
        className="field"
        onSubmit={(event) => {
          event.preventDefault();
          if (tag !== "") set({ tag: [...new Set([...filter.tags, tag])] });
          setTag("");
        }}
      >
        <label className="field">
          <span>Tag</span>
          <input
            type="text"
            placeholder="key or key=value"
            value={tag}
            onChange={(event) => setTag(event.target.value)}
          />
        </label>
      </form>
      {filter.tags.map((each) => (
        <button
          key={each}
          type="button"
          className="tag on"
          aria-label={`Remove the filter ${each}`}
          onClick={() => set({ tag: filter.tags.filter((other) => other !== each) })}
        >
          {each} <span aria-hidden="true">×</span>
        </button>
      ))}
      {isFiltered(filter) && (
        <button
          type="button"
          className="quiet"
          onClick={() => set({ text: null, status: null, target: null, submitter: null, tag: null })}
        >
          Clear filters
        </button>
      )}
    </div>
  );
}

const ACTIVE = ["Queued", "Preparing", "Provisioning", "Running", "Finalizing", "CancelRequested"];

/** A filter that takes effect on Enter or when its field is left. */
function Exact(props: { label: string; value: string; onChange: (value: string) => void }) {
  return (
    <label className="field" key={props.value}>
      <span>{props.label}</span>
      <input
        type="text"
        defaultValue={props.value}
        onBlur={(event) => event.target.value !== props.value && props.onChange(event.target.value)}
        onKeyDown={(event) => event.key === "Enter" && props.onChange(event.currentTarget.value)}
      />
    </label>
  );
}
