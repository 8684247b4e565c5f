/** The longest that a timer of Node waits, in ms: what is longer it takes for 1 ms. Somewhat less than 25 days. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
