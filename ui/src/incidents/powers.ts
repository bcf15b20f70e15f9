import type { Device } from "../api/types";

/** What may be the power of a panel or inverter, as the server chooses it. */
export const POWERS: readonly string[] = ["active_power_w", "production_power_w", "dc_power_w"];

/** The quantity that is the power of a device; undefined where it tells none. */
export function powerOf(device: Device): string | undefined {
  return POWERS.find((name) => device.quantities.some((one) => one.name === name));
}
