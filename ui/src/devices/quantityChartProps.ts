/** What the charts of one quantity are given. */

import type { ComponentChildren } from "preact";

import type { Device, LatestValue } from "../api/types";

export interface QuantityChartProps {
  device: Device;
  quantity: LatestValue;
  /** Buttons at the end of the legend. */
  actions: ComponentChildren;
}
