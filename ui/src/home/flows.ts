/** Which power goes where: from the three meters' values to the lines of the drawing. Pure. */

export interface Flows {
  solarToHome: number;
  solarToGrid: number;
  solarToBattery: number;
  gridToHome: number;
  gridToBattery: number;
  batteryToHome: number;
  batteryToGrid: number;
}

export interface Powers {
  /** Drawn from the grid, negative when given to it [W]. */
  gridW: number | null;
  solarW: number | null;
  /** Into the battery, negative when it gives [W]. */
  batteryW: number | null;
}

const NONE: Flows = {
  solarToHome: 0,
  solarToGrid: 0,
  solarToBattery: 0,
  gridToHome: 0,
  gridToBattery: 0,
  batteryToHome: 0,
  batteryToGrid: 0,
};

/**
 * Shares the powers out: what goes to the grid comes from the sun first, then from the battery;
 * what charges the battery comes from the sun first, then from the grid; the home takes the rest.
 * Null when the grid's power is unknown: then nothing can be said about any line.
 */
export function shareFlows({ gridW, solarW, batteryW }: Powers): Flows | null {
  if (gridW === null) return null;
  const solar = Math.max(0, solarW ?? 0);
  const fromGrid = Math.max(0, gridW);
  const toGrid = Math.max(0, -gridW);
  const toBattery = Math.max(0, batteryW ?? 0);
  const fromBattery = Math.max(0, -(batteryW ?? 0));

  const solarToGrid = Math.min(solar, toGrid);
  const batteryToGrid = Math.min(fromBattery, toGrid - solarToGrid);
  const solarToBattery = Math.min(solar - solarToGrid, toBattery);
  const gridToBattery = Math.min(fromGrid, toBattery - solarToBattery);
  return {
    ...NONE,
    solarToGrid,
    batteryToGrid,
    solarToBattery,
    gridToBattery,
    solarToHome: solar - solarToGrid - solarToBattery,
    gridToHome: fromGrid - gridToBattery,
    batteryToHome: fromBattery - batteryToGrid,
  };
}

const SLOWEST_S = 6;
const FASTEST_S = 0.9;
const SLOW_W = 50;
const FAST_W = 10_000;

/** How long a dot takes along its line [s]: ten times the power is felt as one step faster. */
export function travelSeconds(powerW: number): number {
  const share = Math.log(Math.max(powerW, SLOW_W) / SLOW_W) / Math.log(FAST_W / SLOW_W);
  return SLOWEST_S * (FASTEST_S / SLOWEST_S) ** Math.min(1, share);
}

/** Below this a line counts as idle [W]: meters' noise around zero should not run. */
export const IDLE_BELOW_W = 5;
