import { scaleValue, THIN_SPACE } from "../format/number";

interface AmountProps {
  value: number | null | undefined;
  unit: string;
  /** Found by tests together with the untouched value. */
  testId?: string;
  class?: string;
}

/** A big number with a small unit; the value itself stays readable as an attribute. */
export function Amount({ value, unit, testId, class: className }: AmountProps) {
  const scaled = scaleValue(value, unit);
  return (
    <span class={`amount ${className ?? ""}`} data-testid={testId} data-value={value ?? undefined}>
      {scaled.number}
      {scaled.unit && (
        <span class="unit">
          {THIN_SPACE}
          {scaled.unit}
        </span>
      )}
    </span>
  );
}
