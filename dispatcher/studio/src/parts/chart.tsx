import "uplot/dist/uPlot.min.css";

import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";

import { type Series } from "../api/client";
import { number } from "../format/time";
import { pointsOf } from "./chart-data";

const HEIGHT_PX = 190;

interface Props {
  series: Series;
  byTime: boolean;
  logarithmic: boolean;
  smoothing: number;
}

/** A metric's history. Dragging zooms in, a double click zooms out. */
export function Chart({ series, byTime, logarithmic, smoothing }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const dark = useDark();
  const [hover, setHover] = useState<number | null>(null);
  const points = useMemo(
    () => pointsOf(series, byTime, logarithmic, smoothing),
    [series, byTime, logarithmic, smoothing],
  );
  const data = useMemo<uPlot.AlignedData>(
    () => (points.smooth === null ? [points.x, points.y] : [points.x, points.y, points.smooth]),
    [points],
  );
  const latest = useRef(data);
  latest.current = data;
  const isSmooth = smoothing > 0;
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = new uPlot(options(element, { byTime, logarithmic, isSmooth, onHover: setHover }), latest.current, element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [byTime, logarithmic, isSmooth, dark]);
  useEffect(() => plot.current?.setData(data), [data]);
  const values = points.y.filter((value) => value !== null);
  const last = values.at(-1);
  const shown = hover === null ? last : points.y[hover];
  const words = `${series.name}: ${series.count.toLocaleString()} values, last ${number(last)}`;
  return (
    <figure className="chart">
      <figcaption>
        <span className="name" title={series.name}>
          {series.name}
        </span>
        <b className="figure">{number(shown)}</b>
        {hover !== null && (
          <span className="faint">
            {byTime ? new Date((points.x[hover] ?? 0) * 1000).toLocaleTimeString() : `step ${number(points.x[hover])}`}
          </span>
        )}
      </figcaption>
      <div ref={place} role="img" aria-label={words} />
    </figure>
  );
}

interface Options {
  byTime: boolean;
  logarithmic: boolean;
  isSmooth: boolean;
  onHover: (index: number | null) => void;
}

function options(element: HTMLElement, { byTime, logarithmic, isSmooth, onHover }: Options): uPlot.Options {
  const colour = (name: string) => resolvedColour(element, name);
  const axis: uPlot.Axis = {
    stroke: colour("--chart-text"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("--chart-grid"), width: 1 },
    ticks: { show: false },
  };
  const line = colour("--chart-line");
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: byTime }, y: { distr: logarithmic ? 3 : 1 } },
    axes: [{ ...axis, size: 28 }, { ...axis, size: 58, values: (_, ticks) => ticks.map(shortTick) }],
    series: [
      {},
      { stroke: isSmooth ? colour("--chart-raw") : line, width: 1.5, spanGaps: false, points: { show: false } },
      ...(isSmooth ? [{ stroke: line, width: 2, points: { show: false } }] : []),
    ],
    hooks: { setCursor: [(chart) => onHover(chart.cursor.idx ?? null)] },
  };
}

/** A tick without the noise of its last digits. A logarithmic axis leaves some without a text. */
function shortTick(tick: number | null): string {
  if (tick === null) return "";
  const size = Math.abs(tick);
  return size !== 0 && (size < 1e-4 || size >= 1e6) ? tick.toExponential(0) : String(Number(tick.toPrecision(6)));
}

/** A colour of the style sheet as a canvas understands it: without `light-dark()`. */
function resolvedColour(element: HTMLElement, name: string): string {
  element.style.color = `var(${name})`;
  const colour = getComputedStyle(element).color;
  element.style.color = "";
  return colour;
}

function useDark(): boolean {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const change = () => setDark(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return dark;
}
