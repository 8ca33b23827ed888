import { useQuery } from "@tanstack/react-query";
import { type ReactNode } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";

import { answered, client, Refused } from "./api/client";
import { closeSession } from "./api/session";
import { ExperimentsPage } from "./pages/experiments";
import { RunPage } from "./pages/run";
import { RunsPage } from "./pages/runs";
import { SubmitPage } from "./pages/submit";
import { TargetsPage } from "./pages/targets";
import { useLiveEvents } from "./parts/live";
import { useShortcuts } from "./parts/shortcuts";

/** The whole page: who is signed in, the navigation, and the page of the address. */
export function App({ problem }: { problem: string | null }) {
  const session = useQuery({
    queryKey: ["session"],
    queryFn: () => answered(client.GET("/api/v1/studio/session")),
    staleTime: Infinity,
  });
  if (session.error instanceof Refused) return <SignIn problem={problem} />;
  if (session.data === undefined) return <p className="wait">Connecting to the service …</p>;
  return <Frame name={session.data.name} role={session.data.role} />;
}

function Frame({ name, role }: { name: string; role: string }) {
  const connected = useLiveEvents();
  const [, navigate] = useLocation();
  useShortcuts({
    "g e": () => navigate("/"),
    "g r": () => navigate("/runs"),
    "g c": () => navigate("/targets"),
    "g s": () => navigate("/submit"),
    "/": () => document.querySelector<HTMLInputElement>("input[type=search]")?.focus(),
  });
  const leave = () => void closeSession().then(() => location.reload());
  return (
    <div className="frame">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="side">
        <Link href="/" className="brand">
          dispatcher
        </Link>
        <nav aria-label="Pages">
          <Entry to="/" keys="g e" also="/experiments">
            Experiments
          </Entry>
          <Entry to="/runs" keys="g r" also="/runs">
            Runs
          </Entry>
          <Entry to="/targets" keys="g c">
            Compute
          </Entry>
          <Entry to="/submit" keys="g s">
            Submit
          </Entry>
        </nav>
        <div className="foot">
          <span className={connected ? "live on" : "live"} role="status">
            {connected ? "Live" : "Reconnecting …"}
          </span>
          <span title={`Role: ${role}`}>{name}</span>
          <button type="button" className="quiet" onClick={leave}>
            Sign out
          </button>
        </div>
      </header>
      <main id="main">
        <Switch>
          <Route path="/" component={ExperimentsPage} />
          <Route path="/experiments">
            <Redirect to="/" />
          </Route>
          <Route path="/experiments/:name">
            {({ name: experiment }) => <RunsPage key={experiment} experiment={decodeURIComponent(experiment)} />}
          </Route>
          <Route path="/runs">
            <RunsPage />
          </Route>
          <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={decodeURIComponent(id)} />}</Route>
          <Route path="/targets" component={TargetsPage} />
          <Route path="/submit" component={SubmitPage} />
          <Route>
            <p className="empty">There is no page at this address.</p>
          </Route>
        </Switch>
      </main>
    </div>
  );
}

function Entry(props: { to: string; keys: string; also?: string; children: ReactNode }) {
  const [path] = useLocation();
  const current = path === props.to || (props.also !== undefined && path.startsWith(`${props.also}/`));
  return (
    <Link href={props.to} aria-current={current ? "page" : undefined} title={`Keys: ${props.keys}`}>
      {props.children}
    </Link>
  );
}

function SignIn({ problem }: { problem: string | null }) {
  return (
    <main className="sign-in">
      <h1>dispatcher studio</h1>
      {problem !== null && (
        <p role="alert" className="problem">
          {problem}
        </p>
      )}
      <p>This browser has no session. In the project&rsquo;s folder, run</p>
      <pre>dispatcher studio</pre>
      <p>It opens the studio by a link that is valid once.</p>
    </main>
  );
}
