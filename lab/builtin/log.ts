/** One readable line per event on stdout; the runner keeps it in a file. */
export type Log = (text: string) => void;

export function createLog(name: string): Log {
  return (text) => process.stdout.write(`${new Date().toISOString()} ${name} ${text}\n`);
}
