/** The warnings that `action` has Node print, instead of printing them. */
export function warningsOf(action: () => void): (string | Error)[] {
  const emitWarning = process.emitWarning.bind(process);
  const warnings: (string | Error)[] = [];
  process.emitWarning = (warning: string | Error) => void warnings.push(warning);
  try {
    action();
  } finally {
    process.emitWarning = emitWarning;
  }
  return warnings;
}
