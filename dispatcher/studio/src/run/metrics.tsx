import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { answered, client, type RunDetails } from "../api/client";
import { useAddress } from "../parts/address";
import { Chart } from "../parts/chart";
import { SearchField } from "../parts/search-field";
import { Empty, Loading, Problem } from "../parts/states";

const LIVE_MS = 2_000;

/** The numbers that a run has logged, as charts; those of a live run grow. */
export default function Metrics({ run }: { run: RunDetails }) {
  const { get, set } = useAddress();
  const text = get("metric");
  const byTime = get("x") === "time";
  const logarithmic = get("y") === "log";
  const smoothing = Math.min(0.99, Math.max(0, Number(get("smooth")) || 0));
  const data = useQuery({
    queryKey: ["run", run.id, "charts", text],
    queryFn: () => {
      const params = { path: { run_id: run.id }, query: { text, points: 600 } };
      return answered(client.GET("/api/v1/runs/{run_id}/charts", { params }));
    },
    placeholderData: keepPreviousData,
    refetchInterval: run.terminal ? false : LIVE_MS, // a logged value is not an event
  });
  if (data.data === undefined) return data.error ? <Problem error={data.error} /> : <Loading />;
  const { series, total } = data.data;
  return (
    <>
      <div className="filters">
        <SearchField label="Search metrics" value={text} onChange={(metric) => set({ metric })} />
        <label className="field">
          <span>Horizontal axis</span>
          <select value={byTime ? "time" : ""} onChange={({ target }) => set({ x: target.value })}>
            <option value="">Step</option>
            <option value="time">Time</option>
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={logarithmic}
            onChange={({ target }) => set({ y: target.checked ? "log" : null })}
          />
          Logarithmic
        </label>
        <label className="field">
          <span>Smoothing {smoothing > 0 ? smoothing.toFixed(2) : "off"}</span>
          <input
            type="range"
            min="0"
            max="0.99"
            step="0.01"
            value={smoothing}
            onChange={({ target }) => set({ smooth: target.value === "0" ? null : target.value })}
          />
        </label>
        <span className="count">
          {total > series.length ? `${String(series.length)} of ${String(total)} metrics: search for the others` : `${String(total)} metrics`}
        </span>
      </div>
      {total === 0 && <Empty>{text === "" ? "The run has logged no numbers yet." : "No metric has this name."}</Empty>}
      <div className="charts">
        {series.map((each) => (
          <Chart key={each.name} series={each} byTime={byTime} logarithmic={logarithmic} smoothing={smoothing} />
        ))}
      </div>
    </>
  );
}
