/** A card around a chart: its numbers as a table, and the same numbers as a file. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { cellText, downloadCsv, type Table, toCsv } from "../format/table";
import { zone } from "../state/catalogue";
import { Card } from "./Card";

interface ChartCardProps {
  title: string;
  aside?: ComponentChildren;
  testId: string;
  /** Name of the file without its ending. */
  fileName: string;
  table: (() => Table) | null;
  legend?: ComponentChildren;
  children: ComponentChildren;
}

export function ChartCard({
  title,
  aside,
  testId,
  fileName,
  table,
  legend,
  children,
}: ChartCardProps) {
  const [isTable, setIsTable] = useState(false);
  const actions = (
    <>
      <button
        type="button"
        class="text-button"
        aria-pressed={isTable}
        disabled={table === null}
        onClick={() => setIsTable(!isTable)}
        data-testid={`${testId}-table`}
      >
        {isTable ? "Chart" : "Table"}
      </button>
      <button
        type="button"
        class="text-button"
        disabled={table === null}
        onClick={() => table && downloadCsv(`${fileName}.csv`, toCsv(table(), zone.value))}
        aria-label={`Download ${title} as CSV`}
        data-testid={`${testId}-csv`}
      >
        CSV <span aria-hidden="true">↓</span>
      </button>
    </>
  );
  return (
    <Card title={title} aside={aside} actions={actions} testId={testId}>
      {legend}
      {isTable && table ? <NumberTable table={table()} title={title} /> : children}
    </Card>
  );
}

function NumberTable({ table, title }: { table: Table; title: string }) {
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label={`${title}, table`}>
      <table class="numbers">
        <thead>
          <tr>
            <th scope="col">{table.timeTitle}</th>
            {table.columns.map((column) => (
              <th scope="col" key={column.title}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row) => (
            <tr key={table.isNamed ? row.label : row.at}>
              <th scope="row">{row.label}</th>
              {row.cells.map((cell, i) => (
                <td key={table.columns[i]?.title}>{cellText(cell, table.columns[i])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
