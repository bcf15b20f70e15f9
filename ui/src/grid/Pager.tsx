import { formatCount } from "../format/number";
import { LeftIcon, RightIcon } from "../shell/icons";

interface Props {
  total: number;
  offset: number;
  /** Of a page. */
  rows: number;
  /** What is paged through. */
  name: string;
  onOffset: (offset: number) => void;
}

/** "1–12 of 500", with a step back and on. */
export function Pager({ total, offset, rows, name, onOffset }: Props) {
  const last = Math.min(total, offset + rows);
  return (
    <div class="pager" role="group" aria-label={`Pages of ${name}`}>
      <span class="number" data-testid={`${name}-page`}>
        {formatCount(offset + 1)}–{formatCount(last)} of {formatCount(total)}
      </span>
      <button
        type="button"
        class="step"
        aria-label={`Earlier ${name}`}
        disabled={offset === 0}
        onClick={() => onOffset(Math.max(0, offset - rows))}
        data-testid={`${name}-back`}
      >
        <LeftIcon />
      </button>
      <button
        type="button"
        class="step"
        aria-label={`More ${name}`}
        disabled={last >= total}
        onClick={() => onOffset(offset + rows)}
        data-testid={`${name}-on`}
      >
        <RightIcon />
      </button>
    </div>
  );
}
