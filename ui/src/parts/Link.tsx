import type { ComponentChildren } from "preact";

import { navigate } from "../state/route";

interface LinkProps {
  to: string;
  class?: string;
  isCurrent?: boolean;
  label?: string;
  children: ComponentChildren;
}

/** A link inside the page; with a modifier key it stays the browser's. */
export function Link({ to, class: className, isCurrent, label, children }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a
      href={to}
      class={className}
      aria-current={isCurrent ? "page" : undefined}
      aria-label={label}
      onClick={follow}
    >
      {children}
    </a>
  );
}
