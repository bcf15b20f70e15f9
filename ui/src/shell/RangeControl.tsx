/** Which day, week, month or year the page shows. */

import { useRef } from "preact/hooks";

import { type Range, RANGES, titleOf } from "../format/period";
import { today } from "../state/catalogue";
import {
  isCurrent,
  period,
  showPeriod,
  showRange,
  showStep,
  showToday,
  showZoom,
  zoom,
} from "../state/view";
import { LeftIcon, RightIcon } from "./icons";

interface Props {
  /** Lengths that the page can show. */
  ranges?: readonly Range[];
}

export function RangeControl({ ranges = RANGES }: Props) {
  const { range, from } = period.value;
  const input = useRef<HTMLInputElement>(null);
  const shownDay = isCurrent.value ? today.value : from;

  const isByPointer = useRef(false);

  const pick = (event: Event) => {
    const field = event.currentTarget as HTMLInputElement;
    if (field.value && field.value <= today.value) showPeriod(range, field.value);
    // The page's keys work again after the picker; who types a date goes on typing.
    if (isByPointer.current) field.blur();
  };
  const open = () => {
    isByPointer.current = true;
    try {
      input.current?.showPicker();
    } catch {
      // Without a picker the field itself takes the date.
    }
  };

  return (
    <div class="ranges">
      {zoom.value !== null ? (
        <button
          type="button"
          class="button"
          onClick={() => showZoom(null)}
          data-testid="zoom-reset"
        >
          Whole {range}
        </button>
      ) : (
        !isCurrent.value && (
          <button type="button" class="button" onClick={showToday} data-testid="to-today">
            {range === "day" ? "To today" : `This ${range}`}
          </button>
        )
      )}
      <div class="stepper" role="group" aria-label="Period">
        <button
          type="button"
          class="step"
          aria-label={`Previous ${range}`}
          onClick={() => showStep(-1)}
          data-testid="previous"
        >
          <LeftIcon />
        </button>
        <label class="period">
          <span data-testid="period">{titleOf(period.value)}</span>
          <input
            ref={input}
            type="date"
            aria-label="Day to show"
            value={shownDay}
            max={today.value}
            onChange={pick}
            onClick={open}
            onKeyDown={() => (isByPointer.current = false)}
            data-testid="day-picker"
          />
        </label>
        <button
          type="button"
          class="step"
          aria-label={`Next ${range}`}
          disabled={isCurrent.value}
          onClick={() => showStep(1)}
          data-testid="next"
        >
          <RightIcon />
        </button>
      </div>
      <div class="segments" role="group" aria-label="Length of the period">
        {ranges.map((one) => (
          <button
            type="button"
            key={one}
            class="segment"
            aria-pressed={one === range}
            onClick={() => showRange(one)}
            data-testid={`range-${one}`}
          >
            {one === "day" && isCurrent.value ? "Today" : `${one[0]?.toUpperCase()}${one.slice(1)}`}
          </button>
        ))}
      </div>
    </div>
  );
}
