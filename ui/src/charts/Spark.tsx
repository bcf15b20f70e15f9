/** A small line without axes; broken where values are unknown. */

interface SparkProps {
  /** Instants [ms] and values of the same length. */
  times: readonly number[];
  values: readonly (number | null)[];
  start: number;
  end: number;
  label: string;
}

const WIDTH = 160;
const HEIGHT = 32;

export function Spark({ times, values, start, end, label }: SparkProps) {
  const known = values.filter((value): value is number => value !== null);
  if (known.length === 0) return <span class="muted small">no values in 24 h</span>;
  const low = Math.min(...known);
  const high = Math.max(...known);
  const x = (ms: number) => ((ms - start) / (end - start)) * WIDTH;
  const y = (value: number) =>
    high === low ? HEIGHT / 2 : HEIGHT - 3 - ((value - low) / (high - low)) * (HEIGHT - 6);
  let path = "";
  values.forEach((value, i) => {
    if (value === null) return;
    const before = i > 0 ? values[i - 1] : null;
    const at = x(times[i] ?? start);
    path += `${before === null || before === undefined ? "M" : "L"}${at.toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <path d={path} />
    </svg>
  );
}
