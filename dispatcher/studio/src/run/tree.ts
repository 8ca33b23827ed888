import { keepPreviousData, useInfiniteQuery, useQueries } from "@tanstack/react-query";
import { useMemo } from "react";

import { answered, client, type RunOrder, type RunSummary } from "../api/client";

export interface RunFilter {
  experiment: string;
  text: string;
  tags: string[];
  submitter: string;
  statuses: string[];
  target: string;
  order: RunOrder;
  descending: boolean;
}

/** A line of the table: a run, or what stands for children that are not shown yet. */
export type TreeRow =
  | { kind: "run"; run: RunSummary; depth: number; open: boolean }
  | { kind: "more"; parent: string; depth: number; left: number };

const PAGE = 100;

export function isFiltered(filter: RunFilter): boolean {
  return [filter.text, filter.submitter, filter.target, ...filter.tags, ...filter.statuses].some(Boolean);
}

/**
 * The runs of a filter, page by page. Without a filter these are runs without a parent, and their
 * children below those that are open. With one, runs at every depth are found.
 */
export function useRunTree(filter: RunFilter, open: string[], shown: Record<string, number>) {
  const flat = isFiltered(filter);
  const pages = useInfiniteQuery({
    queryKey: ["runs", "table", filter],
    queryFn: ({ pageParam }) => readPage(filter, { include_children: flat, cursor: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
  const children = useQueries({
    queries: open.map((parent) => ({
      queryKey: ["runs", "children", parent, shown[parent] ?? 1],
      queryFn: () => readChildren(parent, shown[parent] ?? 1),
      placeholderData: keepPreviousData,
    })),
    combine: (results) => results.map((result) => result.data),
  });
  const rows = useMemo(() => {
    const below = new Map(open.map((parent, k) => [parent, children[k]]));
    const found: TreeRow[] = [];
    const add = (runs: RunSummary[], depth: number) => {
      for (const run of runs) {
        const mine = below.get(run.id);
        found.push({ kind: "run", run, depth, open: below.has(run.id) });
        if (mine === undefined || depth > 20) continue;
        add(mine.runs, depth + 1);
        const left = run.children - mine.runs.length;
        if (mine.next !== null && left > 0) {
          found.push({ kind: "more", parent: run.id, depth: depth + 1, left });
        }
      }
    };
    const seen = new Set<string>();
    const roots = pages.data?.pages.flatMap((page) => page.runs) ?? [];
    // A run that begins between two pages is in both.
    add(roots.filter((run) => !seen.has(run.id) && seen.add(run.id)), 0);
    return found;
  }, [pages.data, children, open]);
  return { pages, rows, flat };
}

interface PageOptions {
  include_children?: boolean;
  parent?: string;
  cursor: string | null;
}

function readPage(filter: Partial<RunFilter>, { cursor, ...options }: PageOptions) {
  const query = {
    ...options,
    experiment: filter.experiment ?? "",
    text: filter.text ?? "",
    tag: filter.tags ?? [],
    submitted_by: filter.submitter ?? "",
    status: filter.statuses ?? [],
    target: filter.target ?? "",
    order: filter.order ?? "newest",
    descending: filter.descending ?? false,
    limit: PAGE,
    ...(cursor === null ? {} : { cursor }),
  };
  return answered(client.GET("/api/v1/overview/runs", { params: { query } }));
}

async function readChildren(parent: string, count: number) {
  const runs: RunSummary[] = [];
  let next: string | null = null;
  for (let k = 0; k < count && (k === 0 || next !== null); k += 1) {
    const page = await readPage({ order: "number" }, { parent, cursor: next });
    runs.push(...page.runs);
    next = page.next;
  }
  return { runs, next };
}
