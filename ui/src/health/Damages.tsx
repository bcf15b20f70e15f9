/** What of the log could not be read: where, and whether anything is lost. */

import type { Health } from "../api/types";
import { formatBytes, formatCount, formatCounted } from "../format/number";
import { Card } from "../parts/Card";

export function Damages({ log }: { log: Health["log"] }) {
  const lost = log.lost_records;
  return (
    <Card
      title="Damage in the log"
      aside={lost === 0 ? "nothing is lost" : `${formatCounted(lost, "record")} lost`}
      testId="damages"
    >
      <div class="table-frame" tabIndex={0} role="region" aria-label="Damage in the log, table">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">where</th>
              <th scope="col">missing</th>
              <th scope="col">what it is</th>
            </tr>
          </thead>
          <tbody>
            {log.damages.map((damage) => (
              <tr key={`${damage.segment} ${damage.position}`}>
                <td class="mono">
                  {damage.segment}
                  <small class="block">
                    {formatBytes(damage.bytes)} from byte {formatCount(damage.position)} on
                  </small>
                </td>
                <td class="nowrap">
                  {damage.first_missing_offset === null
                    ? "nothing"
                    : `${formatCounted(damage.missing_records, "record")} from offset ${formatCount(damage.first_missing_offset)}`}
                </td>
                <td>
                  <code class="code-tag">{damage.kind}</code>
                  <small class="block">{damage.detail}</small>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
