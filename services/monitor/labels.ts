/** The most different values of a label. All further values become `other`. */
const MAX_VALUES = 50;

/**
 * Makes a function that limits the number of values of a label. Reasons and codes on the bus are free text, and each new value of a label
 * adds a time series until the process ends.
 */
export function fewValues(maxValues = MAX_VALUES): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.size < maxValues) seen.add(value);
    return seen.has(value) ? value : 'other';
  };
}
