/** How evenly the phases are loaded and fed. */

import type { PhaseBalance } from "../api/types";
import { formatDecimal, formatValue, THIN_SPACE, UNKNOWN } from "../format/number";
import { periodWords } from "../format/period";
import { Card } from "../parts/Card";
import { Nothing } from "../parts/States";
import { isCurrent, period } from "../state/view";

const PHASES = ["l1", "l2", "l3"] as const;
const NAMES = {
  voltage: "voltage",
  current: "current",
  active_power: "power",
  energy: "energy",
} as const;

export function PhaseBalanceCard({ balance }: { balance: PhaseBalance | null }) {
  const rows = (balance?.rows ?? []).filter((row) =>
    PHASES.some((phase) => row.phases[phase] !== null),
  );
  return (
    <Card title="Phase imbalance" aside="largest deviation from the mean of the three" testId="balance">
      {balance !== null && rows.length === 0 ? (
        <Nothing title="No phase reports now." />
      ) : (
        <table class="balance">
          <thead>
            <tr>
              <th scope="col" />
              {PHASES.map((phase) => (
                <th scope="col" class="number" key={phase}>
                  <i class={`swatch area fill-${phase}`} aria-hidden="true" /> {phase.toUpperCase()}
                </th>
              ))}
              <th scope="col" class="number">
                imbalance
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.name} data-testid={`balance-${row.name}`}>
                <th scope="row">
                  {NAMES[row.name]}
                  <small>
                    {row.name === "energy"
                      ? periodWords(period.value.range, isCurrent.value)
                      : "now"}
                  </small>
                </th>
                {PHASES.map((phase) => (
                  <td class="number" key={phase}>
                    {formatValue(row.phases[phase], row.unit)}
                    <span class="phase-bar">
                      <i
                        class={`fill-${phase}`}
                        style={{ width: `${shareOf(row.phases, phase) * 100}%` }}
                      />
                    </span>
                  </td>
                ))}
                <td class="number">
                  <b data-value={row.imbalance ?? undefined}>{percent(row.imbalance)}</b>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

function shareOf(phases: PhaseBalance["rows"][number]["phases"], phase: (typeof PHASES)[number]) {
  const most = Math.max(...PHASES.map((one) => Math.abs(phases[one] ?? 0)));
  return most > 0 ? Math.abs(phases[phase] ?? 0) / most : 0;
}

function percent(share: number | null): string {
  if (share === null) return UNKNOWN;
  return `${formatDecimal(share * 100, share < 0.1 ? 1 : 0)}${THIN_SPACE}%`;
}
