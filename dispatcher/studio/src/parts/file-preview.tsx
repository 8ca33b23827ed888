import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";

import { fetchBytes } from "../api/client";
import { bytes } from "../format/time";
import { Loading, Problem } from "./states";

const PREVIEW_BYTES = 256 * 1024;
const IMAGE_BYTES = 20_000_000;
const IMAGES: Record<string, string> = {
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp",
};

interface Props {
  url: string;
  name: string;
  size: number;
}

/** A file as text, or as a picture. What a script wrote is never shown as a page. */
export function FilePreview({ url, name, size }: Props) {
  const image = IMAGES[name.split(".").pop()?.toLowerCase() ?? ""];
  const [problem, setProblem] = useState<unknown>(null);
  const save = () => download(url, name).then(() => setProblem(null), setProblem);
  return (
    <div className="preview">
      <div className="log-bar">
        <b>{name}</b>
        <span className="faint">{bytes(size)}</span>
        <button type="button" onClick={() => void save()}>
          Download
        </button>
      </div>
      <Problem error={problem} />
      {image !== undefined && size <= IMAGE_BYTES ? (
        <Picture url={url} name={name} type={image} />
      ) : (
        <Text url={url} size={size} name={name} />
      )}
    </div>
  );
}

function Picture({ url, name, type }: { url: string; name: string; type: string }) {
  const content = useQuery({
    queryKey: ["file", url],
    queryFn: async () => new Blob([await (await fetchBytes(url)).arrayBuffer()], { type }),
  });
  const [address, setAddress] = useState<string | null>(null);
  useEffect(() => {
    if (content.data === undefined) return;
    const made = URL.createObjectURL(content.data);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [content.data]);
  if (address === null) return content.error ? <Problem error={content.error} /> : <Loading />;
  return <img className="picture" src={address} alt={name} />;
}

function Text({ url, size, name }: { url: string; size: number; name: string }) {
  const content = useQuery({
    queryKey: ["file", url, "text"],
    queryFn: async () => {
      const range = size > PREVIEW_BYTES ? { Range: `bytes=0-${String(PREVIEW_BYTES - 1)}` } : {};
      return new Uint8Array(await (await fetchBytes(url, { headers: range })).arrayBuffer());
    },
  });
  const text = useMemo(() => (content.data === undefined ? null : asText(content.data, name)), [content.data, name]);
  if (text === null) return content.error ? <Problem error={content.error} /> : <Loading />;
  return (
    <>
      <pre className="text" tabIndex={0} aria-label={name}>
        {text}
      </pre>
      {size > PREVIEW_BYTES && <p className="faint">The first {bytes(PREVIEW_BYTES)} of {bytes(size)}.</p>}
    </>
  );
}

function asText(data: Uint8Array, name: string): string {
  if (data.subarray(0, 4096).includes(0)) return "This file is not text. Download it to open it.";
  const text = new TextDecoder().decode(data);
  if (!name.endsWith(".json")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // not JSON, or cut off: as it is
  }
}

async function download(url: string, name: string): Promise<void> {
  const content = await (await fetchBytes(url)).blob();
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name.split("/").pop() ?? name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
