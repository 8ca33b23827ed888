import { answered, client, fetchBytes } from "../api/client";

export interface SourceFile {
  path: string;
  data: Uint8Array<ArrayBuffer>;
}

const MOST_IN_ONE_CALL = 8 << 20;
const FILE_MODE = 0o644;

/** Upload files as a snapshot: its contents once each, as far as the service lacks them. Its id. */
export async function uploadSnapshot(files: SourceFile[]): Promise<string> {
  const hashed = await Promise.all(files.map(async (file) => ({ ...file, hash: await sha256(file.data) })));
  const manifest = hashed
    .map((file): [string, number, number, string] => [file.path, FILE_MODE, file.data.length, file.hash])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const begin = () => answered(client.POST("/api/v1/snapshots", { body: { files: manifest } }));
  const first = await begin();
  const missing = new Set(first.missing);
  let frames: BlobPart[] = [];
  let size = 0;
  const send = async () => {
    if (size > 0) await fetchBytes("/api/v1/blobs", { method: "POST", body: new Blob(frames) });
    frames = [];
    size = 0;
  };
  for (const file of hashed) {
    if (!missing.delete(file.hash)) continue;
    frames.push(`${JSON.stringify({ sha256: file.hash, size: file.data.length })}\n`, file.data);
    size += file.data.length;
    if (size > MOST_IN_ONE_CALL) await send();
  }
  await send();
  if (first.missing.length > 0) await begin();
  return first.id;
}

async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
