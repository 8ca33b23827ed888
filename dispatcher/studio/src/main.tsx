import "./styles.css";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { Refused } from "./api/client";
import { openSession, takeCode } from "./api/session";
import { App } from "./app";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      refetchOnWindowFocus: false,
      // What the service refuses stays refused; a service that is away is asked again.
      retry: (count, error) => !(error instanceof Refused) && count < 20,
      retryDelay: (count) => Math.min(500 * 2 ** count, 5_000),
    },
  },
});

async function start(): Promise<void> {
  const code = takeCode();
  const problem = code === null ? null : await openSession(code);
  const root = document.getElementById("root");
  if (root === null) throw new Error("the page has no root");
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <App problem={problem} />
      </QueryClientProvider>
    </StrictMode>,
  );
}

void start();
