/** Where the bars of a chart stand. Pure. */

export interface Bar {
  /** Parts above the line, from the line upward, and below it, downward [Wh]. */
  up: number[];
  down: number[];
  /** A value to compare with, drawn as a line across the bar [Wh]. */
  mark?: number | null;
}

export interface BarLayout {
  /** Distance between bars and width of one [px]. */
  step: number;
  width: number;
  /** Height of the line of zero from the top [px]. */
  zeroY: number;
  /** Height of a value from zero [px]. */
  heightOf: (value: number) => number;
  /** Values at which a grid line stands. */
  marks: number[];
}

const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

/** The next of 1, 2, 2.5, 5 times a power of ten. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10;
  return nice * power;
}

export function layoutBars(bars: readonly Bar[], width: number, height: number): BarLayout {
  const top = Math.max(...bars.map((bar) => Math.max(sum(bar.up), bar.mark ?? 0)), 0);
  const bottom = Math.max(...bars.map((bar) => sum(bar.down)), 0);
  const total = top + bottom || 1;
  const mark = niceStep(total / Math.max(2, Math.floor(height / 36)));
  const scale = height / total;
  const step = width / Math.max(1, bars.length);
  const marks: number[] = [];
  for (let n = -Math.floor(bottom / mark); n <= Math.floor(top / mark); n += 1)
    marks.push(n * mark);
  return {
    step,
    width: Math.max(1, Math.min(step * 0.84, step - 2, 46)),
    zeroY: top * scale,
    heightOf: (value) => value * scale,
    marks,
  };
}
