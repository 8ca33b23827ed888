import { type ReactNode } from "react";

/** Why something could not be shown. */
export function Problem({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null;
  return (
    <p role="alert" className="problem">
      {error instanceof Error ? error.message : "the service gave no reason"}
    </p>
  );
}

export function Loading() {
  return <p className="wait">Loading …</p>;
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="empty">{children}</p>;
}

/** The head of a page: where it is, its title and what can be done. */
export function PageHead(props: { trail?: ReactNode; title: ReactNode; children?: ReactNode }) {
  return (
    <div className="page-head">
      <div>
        {props.trail !== undefined && <div className="trail">{props.trail}</div>}
        <h1>{props.title}</h1>
      </div>
      <div className="actions">{props.children}</div>
    </div>
  );
}
