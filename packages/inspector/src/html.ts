/**
 * For pages that show charts and sequences among other things: the look of pictures, and scripts that stand in the page.
 *
 * @packageDocumentation
 */
export { browserScript, contentPolicy } from './internal/browserScript.ts';
export { fontFamily, pictureCss, themeCss } from './internal/theme.ts';
