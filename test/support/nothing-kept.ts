/** Nothing may grow with the number of bad inputs. */
import assert from 'node:assert/strict';
import { retained } from './memory.ts';

/** Code that was compiled meanwhile, and tables that have reached their size. */
const LIMIT_MIB = 4;

/** To be called before; the function that it returns fails when more than that is kept since then. */
export function watchRetained(): () => void {
  const before = retained();
  return () => {
    const grown = retained() - before;
    assert.ok(grown < LIMIT_MIB, `${grown.toFixed(1)} MiB more`);
  };
}
