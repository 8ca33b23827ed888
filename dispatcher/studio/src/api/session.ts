/** The session: opened by the code of a one-time link, proved in a header of every call. */

const PROOF = "dispatcher.proof";
const SIGN_IN = "#sign-in=";
export const PROOF_HEADER = "X-Dispatcher-Session";

export function proof(): string {
  return localStorage.getItem(PROOF) ?? "";
}

/** Take the code out of the address, so that neither history nor a copied link keeps it. */
export function takeCode(): string | null {
  if (!location.hash.startsWith(SIGN_IN)) return null;
  const code = location.hash.slice(SIGN_IN.length);
  history.replaceState(null, "", location.pathname + location.search);
  return code;
}

/** Trade a code for a session; the text says why that failed, or is null. */
export async function openSession(code: string): Promise<string | null> {
  const response = await fetch("/api/v1/studio/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
  });
  const answer = (await response.json()) as { proof?: string; detail?: string };
  if (!response.ok || answer.proof === undefined) {
    return answer.detail ?? `the service answered ${String(response.status)}`;
  }
  localStorage.setItem(PROOF, answer.proof);
  return null;
}

export async function closeSession(): Promise<void> {
  await fetch("/api/v1/studio/session", {
    method: "DELETE",
    headers: { [PROOF_HEADER]: proof() },
  });
  localStorage.removeItem(PROOF);
}
