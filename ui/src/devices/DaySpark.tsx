/** The last 24 hours of a quantity as a small line: means, or what a counter added. */

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { Bucket, LatestValue, Readings } from "../api/types";
import { Spark } from "../charts/Spark";
import { instantFields } from "../format/period";
import { serverNow } from "../state/clock";

const SPARK_REFRESH_MS = 300_000;
const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;

interface Props {
  deviceId: string;
  quantity: Pick<LatestValue, "name" | "title" | "kind">;
}

export function DaySpark({ deviceId, quantity }: Props) {
  // Whole quarter hours, so that the address changes only when a new one begins.
  const end = Math.ceil(serverNow() / QUARTER_MS) * QUARTER_MS;
  const start = end - DAY_MS;
  const fetched = useFetched<Readings<Bucket>>(
    apiPath(`/api/devices/${encodeURIComponent(deviceId)}/readings`, {
      quantity: quantity.name,
      ...instantFields(start, end),
      interval: "15m",
    }),
    SPARK_REFRESH_MS,
  );
  if (fetched.answer === null) return <span class="spark" />;
  const byTime = new Map(fetched.answer.points.map((point) => [Date.parse(point.t), point]));
  const times: number[] = [];
  const values: (number | null)[] = [];
  for (let at = start; at < end; at += QUARTER_MS) {
    const point = byTime.get(at);
    times.push(at);
    values.push(
      point === undefined ? null : quantity.kind === "gauge" ? point.mean : point.increase,
    );
  }
  return (
    <Spark
      times={times}
      values={values}
      start={start}
      end={end}
      label={`${quantity.title}, last 24 hours`}
    />
  );
}
