/** Files of the store and the registry that are damaged: what is left out, and what to do. */

import type { Health } from "../api/types";
import { formatCounted } from "../format/number";
import { Card } from "../parts/Card";

export function FileDamages({ health }: { health: Health }) {
  const rows = health.store.damages.reduce((sum, damage) => sum + damage.rows, 0);
  return (
    <Card
      title="Damaged files"
      aside={`${formatCounted(rows, "value")} left out; stop the program and run wattscope repair`}
      testId="file-damages"
    >
      <div class="table-frame" tabIndex={0} role="region" aria-label="Damaged files, table">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">file</th>
              <th scope="col">left out</th>
              <th scope="col">what it is</th>
            </tr>
          </thead>
          <tbody>
            {health.store.damages.map((damage) => (
              <tr key={damage.file}>
                <td class="mono">{damage.file}</td>
                <td class="nowrap">{formatCounted(damage.rows, "value")}</td>
                <td>{damage.detail}</td>
              </tr>
            ))}
            {health.registry.damages.map((detail) => (
              <tr key={detail}>
                <td class="mono">registry</td>
                <td class="nowrap">nothing</td>
                <td>{detail}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
