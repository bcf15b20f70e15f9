/** Green, yellow and red in words and as zones of a chart. Pure. */

import type { BandName, Bands } from "../api/types";
import type { Zone } from "../charts/marks";
import type { Role } from "../charts/palette";
import { formatDecimal, scaleFor, THIN_SPACE } from "../format/number";

/** The same rule as the server's: a limit of green is green, a limit of red is yellow. */
export function gradeOf(value: number | null | undefined, bands: Bands): BandName | null {
  if (value === null || value === undefined) return null;
  const low = (limit: number | null) => limit ?? -Infinity;
  const high = (limit: number | null) => limit ?? Infinity;
  if (value < low(bands.red_low) || value > high(bands.red_high)) return "red";
  const isGreen = value >= low(bands.green_low) && value <= high(bands.green_high);
  return isGreen ? "green" : "yellow";
}

export const BAND_ROLES: Record<BandName, Role> = { green: "good", yellow: "warn", red: "alert" };
const ZONE_WORDS: Record<BandName, string> = { green: "good", yellow: "watch", red: "out" };

/** The bands from the highest values to the lowest, as far as they exist. */
export function zonesOf(bands: Bands): Zone[] {
  const zones: Zone[] = [];
  const add = (name: BandName, from: number | null, to: number | null) =>
    zones.push({ from, to, role: BAND_ROLES[name], label: ZONE_WORDS[name] });
  if (bands.red_high !== null) add("red", bands.red_high, null);
  if (bands.green_high !== null) add("yellow", bands.green_high, bands.red_high);
  add("green", bands.green_low, bands.green_high);
  if (bands.green_low !== null) add("yellow", bands.red_low, bands.green_low);
  if (bands.red_low !== null) add("red", null, bands.red_low);
  return zones;
}

/** A limit without needless digits: "20 W", "2 kW", "0.85". */
export function limitWords(limit: number, unit: string): string {
  const scale = scaleFor(Math.abs(limit), unit);
  const value = limit / scale.factor;
  const decimals = [0, 1, 2].find((count) => Math.abs(value - Number(value.toFixed(count))) < 1e-9);
  const text = formatDecimal(value, decimals ?? 2);
  return scale.unit ? `${text}${THIN_SPACE}${scale.unit}` : text;
}

/** "49.8–50.2 Hz", "from 0.85", "up to 1 kW": what is green. */
export function greenWords(bands: Bands, unit: string): string {
  const { green_low: low, green_high: high } = bands;
  if (unit === "Hz" && low !== null && high !== null)
    return `${formatDecimal(low, 1)}–${formatDecimal(high, 1)}${THIN_SPACE}Hz`;
  const text = (value: number) => limitWords(value, unit);
  if (low !== null && high !== null) return `${text(low)} to ${text(high)}`;
  return low !== null ? `from ${text(low)}` : high === null ? "always" : `up to ${text(high)}`;
}

/** Values that an axis must hold so that green and the beginning of yellow can be seen. */
export function axisOf(bands: Bands, most: number | null): [number, number] | null {
  const { green_low: low, green_high: high } = bands;
  if (low !== null && high !== null) {
    const room = (high - low) * 0.3;
    return [low - room, high + room];
  }
  if (low !== null && most !== null) {
    const floor = bands.red_low ?? low;
    return [floor - (most - floor) / 3, most];
  }
  return null;
}
