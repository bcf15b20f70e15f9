/** What the charts of one quantity are given. */

import type { ComponentChildren } from "preact";

import type { Device, LatestValue } from "../api/types";
import type { Zone } from "../charts/marks";
import type { Shade } from "../charts/shades";

export interface QuantityChartProps {
  device: Device;
  quantity: LatestValue;
  /** Buttons at the end of the legend. */
  actions?: ComponentChildren;
  /** Left out, the title of the quantity. */
  title?: string;
  testId?: string;
  /** Least height [CSS px]. */
  height?: number;
  /** Ranges of values that are drawn behind the line. */
  zones?: readonly Zone[];
  /** Stretches of time behind the line, such as findings. */
  shades?: readonly Shade[];
  /** Values that the axis holds at least. */
  axis?: readonly [number, number];
  /** Charts with the same key share their crosshair. */
  syncKey?: string;
  /** Stands below the chart in place of the hint how to zoom. */
  below?: ComponentChildren;
}
