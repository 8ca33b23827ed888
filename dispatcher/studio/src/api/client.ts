/** Calls of the API, typed by its description (`schema.ts` is generated from it). */

import createClient from "openapi-fetch";

import type { components, paths } from "./schema";
import { proof, PROOF_HEADER } from "./session";

type Schemas = components["schemas"];
export type RunSummary = Schemas["RunSummary"];
export type RunDetails = Schemas["RunDetails"];
export type ExperimentSummary = Schemas["ExperimentSummary"];
export type TargetSummary = Schemas["TargetSummary"];
export type Series = Schemas["SeriesView"];
export type Artifact = Schemas["ArtifactView"];
export type RunOrder =
  | "newest" | "number" | "name" | "status" | "target" | "submitted_by"
  | "created" | "started" | "ended" | "duration";

/** A call that the service refused. `message` is the service's own text. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export const client = createClient<paths>({ baseUrl: "/" });
client.use({
  onRequest({ request }) {
    request.headers.set(PROOF_HEADER, proof());
    return request;
  },
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer. Throws Refused. */
export async function answered<T>(call: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw refusal(response.status, error);
  return data as T;
}

/** An authenticated call for bytes. Throws Refused. */
export async function fetchBytes(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set(PROOF_HEADER, proof());
  const response = await fetch(path, { ...init, headers });
  if (!response.ok) {
    throw refusal(response.status, await response.json().catch(() => undefined));
  }
  return response;
}

function refusal(status: number, error: unknown): Refused {
  const detail = (error as { detail?: unknown } | undefined)?.detail;
  return new Refused(
    status,
    typeof detail === "string" ? detail : `the service answered ${String(status)}`,
  );
}

/** A path with each part escaped; parts that are paths themselves keep their slashes. */
export function pathOf(...parts: string[]): string {
  return parts.map((part) => part.split("/").map(encodeURIComponent).join("/")).join("/");
}
