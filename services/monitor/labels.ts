/** So many different values a label may have before the rest becomes `other`. */
const MAX_VALUES = 50;

/**
 * Makes the function that keeps a label's values few. Reasons and codes are free text on the bus, and each new value of
 * a label is a new time series for as long as the process lives.
 */
export function fewValues(maxValues = MAX_VALUES): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.size < maxValues) seen.add(value);
    return seen.has(value) ? value : 'other';
  };
}
