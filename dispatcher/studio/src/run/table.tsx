import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef } from "react";
import { Link } from "wouter";

import { pathOf, type RunOrder, type RunSummary } from "../api/client";
import { SortHead } from "../parts/sort-head";
import { Duration, Moment, Status, Tags } from "../parts/status";
import { type TreeRow } from "./tree";

const ROW_PX = 34;

interface Props {
  rows: TreeRow[];
  flat: boolean;
  withExperiment: boolean;
  order: RunOrder;
  descending: boolean;
  onSort: (order: RunOrder) => void;
  onToggle: (id: string) => void;
  onMore: (parent: string) => void;
  onTag: (tag: string) => void;
  onEnd: () => void;
}

/** Runs as a tree. Only the rows in view are in the page, however many there are. */
export function RunTable(props: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const { rows, onEnd } = props;
  // The compiler of React is not used here, so the instance may be shared.
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (rows.length > 0 && last >= rows.length - 20) onEnd();
  }, [last, rows.length, onEnd]);
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const columns = props.withExperiment ? 8 : 7;
  return (
    <div className="scroll" ref={scroller} tabIndex={0} role="region" aria-label="Runs">
      <table className="list runs" aria-rowcount={rows.length + 1}>
        <Head {...props} />
        <tbody>
          {before > 0 && <Gap height={before} columns={columns} />}
          {items.map((item) => {
            const row = rows[item.index];
            return row && <Row key={rowKey(row)} row={row} index={item.index} {...props} columns={columns} />;
          })}
          {after > 0 && <Gap height={after} columns={columns} />}
        </tbody>
      </table>
    </div>
  );
}

function rowKey(row: TreeRow): string {
  return row.kind === "run" ? `${String(row.depth)} ${row.run.id}` : `more ${row.parent}`;
}

function Gap({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden="true" className="gap">
      <td colSpan={columns} style={{ height }} />
    </tr>
  );
}

function Head({ order, descending, onSort, withExperiment }: Props) {
  const head = (column: RunOrder, text: string, className?: string) => (
    <SortHead
      text={text}
      className={className}
      sorted={order === column ? (descending ? "descending" : "ascending") : "none"}
      onSort={() => onSort(column)}
    />
  );
  return (
    <thead>
      <tr>
        {head("name", "Run", "wide")}
        {withExperiment && <th>Experiment</th>}
        {head("status", "Status")}
        {head("target", "Target")}
        {head("submitted_by", "Submitter")}
        {head("started", "Started")}
        {head("duration", "Duration")}
        <th>Tags</th>
      </tr>
    </thead>
  );
}

function Row(props: Props & { row: TreeRow; index: number; columns: number }) {
  const { row, index } = props;
  if (row.kind === "more") {
    return (
      <tr aria-rowindex={index + 2}>
        <td colSpan={props.columns}>
          <Indent depth={row.depth} />
          <button type="button" className="quiet" onClick={() => props.onMore(row.parent)}>
            Show more of {row.left.toLocaleString()} further children
          </button>
        </td>
      </tr>
    );
  }
  const { run } = row;
  return (
    <tr aria-rowindex={index + 2}>
      <td className="wide">
        <Indent depth={row.depth} />
        <Toggle run={run} open={row.open} flat={props.flat} onToggle={props.onToggle} />
        <Link href={pathOf("/runs", run.id)} className="name" title={run.id}>
          {run.name}
        </Link>
        {props.flat && run.parent_id !== null && (
          <Link href={pathOf("/runs", run.parent_id)} className="faint below" title={run.parent_id}>
            below {run.parent_id}
          </Link>
        )}
        <Children run={run} />
      </td>
      {props.withExperiment && (
        <td>
          <Link href={pathOf("/experiments", run.experiment)}>{run.experiment}</Link>
        </td>
      )}
      <td>
        <Status status={run.status} />
      </td>
      <td>{run.interactive ? <span className="faint">interactive</span> : run.target}</td>
      <td>{run.submitted_by}</td>
      <td>
        <Moment at={run.started_at ?? run.created_at} />
      </td>
      <td>
        <Duration run={run} />
      </td>
      <td>
        <TagButtons tags={run.tags} onTag={props.onTag} />
      </td>
    </tr>
  );
}

function Indent({ depth }: { depth: number }): ReactNode {
  return depth > 0 && <span className="indent" style={{ width: depth * 18 }} />;
}

function Toggle(props: { run: RunSummary; open: boolean; flat: boolean; onToggle: (id: string) => void }) {
  const { run, open } = props;
  if (run.children === 0 || props.flat) return <span className="toggle" />;
  return (
    <button
      type="button"
      className="toggle"
      aria-expanded={open}
      aria-label={`Children of ${run.name}`}
      onClick={() => props.onToggle(run.id)}
    >
      <span aria-hidden="true">{open ? "▾" : "▸"}</span>
    </button>
  );
}

function Children({ run }: { run: RunSummary }) {
  if (run.children === 0) return null;
  const parts = [
    `${run.children.toLocaleString()} ${run.children === 1 ? "child" : "children"}`,
    run.open_children > 0 && `${run.open_children.toLocaleString()} active`,
    run.failed_children > 0 && `${run.failed_children.toLocaleString()} failed`,
  ];
  return <span className="faint children">{parts.filter(Boolean).join(" · ")}</span>;
}

function TagButtons({ tags, onTag }: { tags: RunSummary["tags"]; onTag: (tag: string) => void }) {
  const entries = Object.entries(tags).slice(0, 3);
  const rest = Object.fromEntries(Object.entries(tags).slice(3));
  return (
    <span className="tags">
      {entries.map(([key, value]) => (
        <button
          key={key}
          type="button"
          className="tag"
          title="Filter by this tag"
          onClick={() => onTag(value === null ? key : `${key}=${value}`)}
        >
          <b>{key}</b> {value}
        </button>
      ))}
      <Tags tags={rest} />
    </span>
  );
}
