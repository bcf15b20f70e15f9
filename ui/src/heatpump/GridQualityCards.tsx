/** Frequency and power factor over time, with what is good, what to watch and what is out. */

import type { Device, GradedQuantity, GridQuality } from "../api/types";
import { ExtremesChart } from "../devices/ExtremesChart";
import { formatDecimal, formatShare, THIN_SPACE } from "../format/number";
import { momentOf } from "../format/time";
import { zone } from "../state/catalogue";
import { period } from "../state/view";
import { axisOf, greenWords, zonesOf } from "./bands";

const HEIGHT = 190;
const QUANTITIES = [
  { name: "frequency_hz", title: "Grid frequency", most: null, decimals: 2 },
  { name: "power_factor", title: "Power factor", most: 1, decimals: 2 },
] as const;

export function GridQualityCards({ device, quality }: { device: Device; quality: GridQuality | null }) {
  return (
    <>
      {QUANTITIES.map(({ name, title, most, decimals }) => {
        const quantity = device.quantities.find((one) => one.name === name);
        const graded = quality?.[name] ?? null;
        if (quantity === undefined) return null;
        const axis = graded === null ? null : axisOf(graded.bands, most);
        return (
          <ExtremesChart
            key={`${device.id} ${name}`}
            device={device}
            quantity={quantity}
            title={title}
            testId={`${name}-chart`}
            height={HEIGHT}
            syncKey={device.id}
            {...(graded === null ? {} : { zones: zonesOf(graded.bands) })}
            {...(axis === null ? {} : { axis })}
            below={
              <GradeBar
                graded={graded}
                unit={quantity.unit}
                decimals={decimals}
                isWhileRunning={name === "power_factor"}
              />
            }
          />
        );
      })}
    </>
  );
}

interface GradeProps {
  graded: GradedQuantity | null;
  unit: string;
  decimals: number;
  isWhileRunning: boolean;
}

/** Share of time in each band as a bar with its words. */
function GradeBar({ graded, unit, decimals, isWhileRunning }: GradeProps) {
  const shares = graded?.shares;
  if (graded === null || shares == null)
    return <p class="chart-note">{graded === null ? "\u00a0" : "Nothing to grade while it stood by."}</p>;
  const extreme = (one: { value: number; at: string } | null) =>
    one === null
      ? "–"
      : `${formatDecimal(one.value, decimals)}, ${momentOf(Date.parse(one.at), zone.value, period.value.start)}`;
  return (
    <div class="grade">
      <span class="grade-bar" aria-hidden="true">
        <i class="good" style={{ width: `${shares.green * 100}%` }} />
        <i class="watch" style={{ width: `${shares.yellow * 100}%` }} />
        <i class="out" style={{ width: `${shares.red * 100}%` }} />
      </span>
      <p class="chart-note">
        <b>{formatGrade(shares.green)} good</b> ({greenWords(graded.bands, unit)}),{" "}
        {formatGrade(shares.yellow)} watch, {formatGrade(shares.red)} out
        {isWhileRunning && ", while it ran"}. Lowest {extreme(graded.lowest)}
        {unit !== "" || graded.bands.green_high !== null
          ? `; highest ${extreme(graded.highest)}`
          : ""}
        .
      </p>
    </div>
  );
}

/** A share that is not quite nothing or all is not written as such. */
export function formatGrade(share: number): string {
  if (share > 0 && share < 0.005) return `under 1${THIN_SPACE}%`;
  if (share < 1 && share > 0.995) return `over ${formatShare(0.99)}`;
  return formatShare(share);
}

