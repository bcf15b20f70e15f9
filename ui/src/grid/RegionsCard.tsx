/** Load and energy by region: a digit of the meters' ids. */

import { useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridRegion, GridRegions } from "../api/grid";
import { formatCount, formatShare, formatValue } from "../format/number";
import type { Table } from "../format/table";
import { ChartCard } from "../parts/ChartCard";
import { Failed, Waiting } from "../parts/States";
import { kilo } from "./HourCard";

const HEIGHT = 300;
const REFRESH_MS = 60_000;
const DIGITS = [1, 2, 3, 4] as const;

export function RegionsCard({ siteId }: { siteId: string }) {
  const [digit, setDigit] = useState<number>(1);
  const fetched = useFetched<GridRegions>(
    apiPath("/api/grid/regions", { site: siteId, digit }),
    REFRESH_MS,
  );
  const answer = fetched.answer;
  const most = Math.max(1e-9, ...(answer?.regions ?? []).map((one) => one.month_wh ?? 0));
  return (
    <ChartCard
      title="By region"
      aside="a digit of the meter's id"
      testId="regions"
      fileName={`wattscope-${siteId}-regions`}
      table={answer === null ? null : () => tableOf(answer)}
      legend={
        <div class="choice" role="group" aria-label="Which digit">
          {DIGITS.map((one) => (
            <button
              type="button"
              key={one}
              class="text-button"
              aria-pressed={one === digit}
              onClick={() => setDigit(one)}
            >
              {one}. digit
            </button>
          ))}
        </div>
      }
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={HEIGHT} />
      ) : (
        <>
          <div class="region-head" aria-hidden="true">
            <span>region</span>
            <span class="number">now</span>
            <span class="number">today</span>
            <span class="number">month</span>
          </div>
          <ul class="regions">
            {answer.regions.map((one) => (
              <li key={one.region} class="region-row" data-testid={`region-${one.region ?? "none"}`}>
                <span>
                  <b>{one.region ?? "none"}</b> <small>{meterWords(one)}</small>
                </span>
                <span class="number">{formatValue(one.load_w, "W")}</span>
                <span class="number">{formatValue(one.today_wh, "Wh")}</span>
                <span class="number">
                  {formatValue(one.month_wh, "Wh")} <small>{formatShare(one.share_of_month)}</small>
                </span>
                <span class="share-bar" aria-hidden="true">
                  <i style={{ width: `${((one.month_wh ?? 0) / most) * 100}%` }} />
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </ChartCard>
  );
}

function meterWords(one: GridRegion): string {
  return `${formatCount(one.meters)} meter${one.meters === 1 ? "" : "s"}`;
}

function tableOf(answer: GridRegions): Table {
  return {
    timeTitle: "region",
    isNamed: true,
    columns: [
      { title: "meters", decimals: 0 },
      { title: "load now [kW]", decimals: 3 },
      { title: "today [kWh]", decimals: 3 },
      { title: "yesterday [kWh]", decimals: 3 },
      { title: `${answer.month} [kWh]`, decimals: 3 },
      { title: "share of month [%]", decimals: 2 },
    ],
    rows: answer.regions.map((one, at) => ({
      at,
      label: one.region ?? "none",
      cells: [
        one.meters,
        kilo(one.load_w),
        kilo(one.today_wh),
        kilo(one.yesterday_wh),
        kilo(one.month_wh),
        one.share_of_month === null ? null : one.share_of_month * 100,
      ],
    })),
  };
}
