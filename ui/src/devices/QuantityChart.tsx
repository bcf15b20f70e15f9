/** The chart of one quantity: its values, or for a counter what was added, or its register. */

import { useState } from "preact/hooks";

import type { Device, LatestValue } from "../api/types";
import type { Shade } from "../charts/shades";
import { ExtremesChart } from "./ExtremesChart";
import { GrowthChart } from "./GrowthChart";

interface Props {
  device: Device;
  quantity: LatestValue;
  /** What detectors found in it. */
  shades: readonly Shade[];
  onClose: () => void;
}

export function QuantityChart({ device, quantity, shades, onClose }: Props) {
  const [isRegister, setIsRegister] = useState(false);
  const Chart = quantity.kind === "gauge" || isRegister ? ExtremesChart : GrowthChart;
  const actions = (
    <>
      {quantity.kind === "counter" && (
        <button
          type="button"
          class="text-button"
          onClick={() => setIsRegister(!isRegister)}
          data-testid="quantity-chart-register"
        >
          {isRegister ? "What was added" : "Register"}
        </button>
      )}
      <button type="button" class="text-button" onClick={onClose}>
        Close
      </button>
    </>
  );
  return <Chart device={device} quantity={quantity} shades={shades} actions={actions} />;
}
