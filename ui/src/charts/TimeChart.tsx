/** A chart over time: lines and areas on the site's clock, gaps, crosshair, drag to zoom. */

import "uplot/dist/uPlot.min.css";

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { phaseColours } from "../state/screen";
import { isDark } from "../state/theme";
import { attachGestures } from "./gestures";
import { buildOptions, type TimeChartProps } from "./options";
import { useExtent } from "./extent";

export function TimeChart(props: TimeChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const { width, height } = useExtent(box);
  const look = `${isDark.value} ${phaseColours.value}`;
  const shape = props.lines.map((line) => `${line.label}${line.isHidden ? 0 : 1}`).join("|");

  useEffect(() => {
    if (box.current === null || width === 0) return;
    const options = buildOptions(() => latest.current, { width, height });
    const made = new uPlot(options, dataOf(latest.current), box.current);
    if (latest.current.onZoom !== undefined) {
      attachGestures(made, {
        shown: () => latest.current.span,
        onZoom: (span) => latest.current.onZoom?.(span),
      });
    }
    chart.current = made;
    return () => {
      made.destroy();
      chart.current = null;
    };
  }, [shape, props.unit, props.zone, props.span.start, props.span.end, look, width, height]);

  useEffect(() => {
    chart.current?.setData(dataOf(latest.current));
  }, [props.times, props.columns, props.gaps, props.shades, props.present]);

  return (
    <div
      class="chart"
      style={{ minHeight: `${props.height}px` }}
      ref={box}
      role="img"
      aria-label={props.label}
    />
  );
}

function dataOf(props: TimeChartProps): uPlot.AlignedData {
  // uPlot reads and never writes; its type does not say so.
  const columns = props.columns as (number | null | undefined)[][];
  return [props.times.map((ms) => ms / 1000), ...columns];
}
