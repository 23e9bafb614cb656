import { themeCss } from './theme.ts';

const tones = ['good', 'bad', 'blue', 'amber', 'violet'];

const toneCss = tones
  .flatMap((tone) => [
    `.line.${tone},.glyphs.${tone},.dots.${tone}{stroke:var(--${tone})}`,
    `.fill.${tone}{fill:var(--${tone})}`,
    `.node.${tone} .shape{stroke:var(--${tone})}.node.${tone}.up .shape{fill:var(--${tone})}`,
  ])
  .join('');

/** How the page looks. Classes say what a thing is. */
export const pageCss = `${themeCss}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 Inter,Helvetica,Arial,'Liberation Sans',sans-serif}
header,main{max-width:1400px;margin:0 auto;padding:0 24px}
header{padding-top:28px}
main{padding-bottom:56px}
h1{margin:0;font-size:28px;line-height:1.2;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{margin:0 0 12px;font-size:19px;line-height:1.3}
h3{margin:0;font-size:15px;line-height:1.35}
p{margin:0}
section{margin-top:36px}
code,pre{font:13px/1.5 ui-monospace,'SF Mono',Menlo,Consolas,'Liberation Mono',monospace}
.top{display:flex;gap:16px;align-items:flex-start;justify-content:space-between}
button{font:inherit;font-size:14px;color:var(--ink);background:var(--box);border:1px solid var(--line);border-radius:8px;padding:6px 14px;cursor:pointer;white-space:nowrap}
button:hover{border-color:var(--soft)}
:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
.lead{margin-top:8px;max-width:80ch;color:var(--soft);overflow-wrap:anywhere}
.facts{display:flex;flex-wrap:wrap;gap:10px 32px;margin:18px 0 0}
.facts dt{font-size:12.5px;color:var(--soft)}
.facts dd{margin:0;font-weight:600;overflow-wrap:anywhere}
.soft,.note{color:var(--soft);font-weight:400}
.note{font-size:13.5px;margin-top:8px}
.card{background:var(--panel);border:1px solid var(--line);border-radius:12px;margin:0}
.verdict{margin-top:24px;border:1px solid var(--line);border-left-width:6px;border-radius:12px;padding:18px 20px;background:var(--panel)}
.verdict.good{background:var(--goodBox);border-color:var(--good)}
.verdict.bad{background:var(--badBox);border-color:var(--bad)}
.properties .open .sign,.properties .open .badge{color:var(--soft)}
.verdict h2{display:flex;gap:10px;align-items:center;font-size:22px;margin:0}
.verdict.none p{color:var(--soft)}
.sign{width:20px;height:20px;flex:none;fill:none;stroke:currentColor;stroke-width:2.6;stroke-linecap:round;stroke-linejoin:round}
.verdict.good h2 .sign,.properties .good .sign,.properties .good .badge{color:var(--goodInk)}
.verdict.bad h2 .sign,.properties .bad .sign,.properties .bad .badge{color:var(--badInk)}
.properties{list-style:none;margin:14px 0 0;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:12px 28px}
.properties .bad{grid-column:1/-1}
.properties li{display:flex;gap:10px}
.properties li .sign{margin-top:2px}
.properties li div{min-width:0;overflow-wrap:anywhere}
.properties p{font-size:14px;color:var(--soft)}
.badge{display:inline-block;font-size:12.5px;font-weight:600;line-height:1.4;padding:0 8px;border:1px solid currentColor;border-radius:99px;white-space:nowrap}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(max(220px,22%),1fr));gap:12px;margin:0}
.tiles .card{padding:14px 16px}
.tiles dt{font-size:13.5px;color:var(--soft)}
.tiles dd{margin:0}
.tiles b{display:block;font-size:25px;line-height:1.3;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.tiles span{display:block;font-size:13px;line-height:1.4;color:var(--soft)}
.tiles .bad{border-color:var(--bad)}.tiles .bad b{color:var(--badInk)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:14px}
.chart{padding:14px 14px 8px;min-width:0;display:flex;flex-direction:column;position:relative}
.chart figcaption p{font-size:13px;line-height:1.4;color:var(--soft)}
.chart[data-at]::after{content:attr(data-at);position:absolute;top:14px;right:14px;font-size:12.5px;line-height:1.6;font-weight:600;background:var(--panel);padding-left:8px}
.chart .plot{margin-top:auto;overflow:visible}
.empty{color:var(--soft);padding:28px 12px;text-align:center}
.chart .empty{margin:auto 0}
.legend{list-style:none;margin:8px 0 4px;padding:0;display:flex;flex-wrap:wrap;gap:2px 16px;font-size:13px;line-height:1.6;overflow-wrap:anywhere}
.legend b{font-variant-numeric:tabular-nums}
.within li::before{content:'';display:inline-block;width:7px;height:7px;margin-right:7px;border:1.5px solid var(--soft);transform:rotate(45deg)}
.key{width:24px;height:10px;margin-right:6px;overflow:visible}
.key.narrow{width:13px;height:12px;vertical-align:-1px}
svg{display:block;width:100%;height:auto}
.key{display:inline-block}
.hidden{position:absolute}
svg text{font-family:Inter,Helvetica,Arial,'Liberation Sans',sans-serif;font-size:11px;fill:var(--soft)}
svg .end{text-anchor:end}svg .middle{text-anchor:middle}svg .start{text-anchor:start}
svg .unit{font-style:italic}
.grid,.axis{fill:none;stroke:var(--grid);stroke-width:1}
.axis{stroke:var(--soft)}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:butt}
.d1{stroke-dasharray:6 3}.d2{stroke-dasharray:2 2.5}.d3{stroke-dasharray:7 3 2 3}
.dots{fill:none;stroke-width:4;stroke-linecap:round}
.plot .dots{stroke-opacity:.75}
.glyphs{fill:none;stroke-width:1.5;stroke-linejoin:round}
.area.good{fill:var(--good);fill-opacity:.22}.area.bad{fill:url(#hatch)}.area.blue{fill:url(#dotted)}
.hatch{stroke:var(--bad);stroke-width:2.4;fill:none}.dotted{fill:var(--blue)}
svg .label{fill:var(--ink);font-size:10.5px}
.band{fill:var(--fault);fill-opacity:.12}
.mark{fill:none;stroke:var(--fault);stroke-width:1;stroke-dasharray:3 2}
svg .number{fill:var(--fault);font-size:10px;font-weight:700}
.cursor{stroke:var(--ink);stroke-width:1;visibility:hidden;pointer-events:none}.cursor.shown{visibility:visible}
${toneCss}
.scroll{overflow-x:auto;position:relative}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:7px 14px 7px 0;text-align:left;vertical-align:top}
th:first-child,td:first-child{padding-left:16px}
thead th{font-size:12.5px;font-weight:600;color:var(--soft);border-bottom:1px solid var(--line);white-space:nowrap}
tbody tr+tr>*{border-top:1px solid var(--grid)}
tbody th{font-weight:600}
td{overflow-wrap:anywhere}
.digit,.digits td{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.digits thead th+th{text-align:right}
.digits tbody th{white-space:nowrap}
.nowrap{white-space:nowrap;overflow-wrap:normal}
.timeline .lane{width:26%;min-width:120px;padding-top:11px}
.timeline .lane svg{height:10px}
.timeline td:first-child{text-align:left;font-weight:700;color:var(--fault);width:44px}
.track{fill:none;stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}
.bar{fill:var(--fault)}.bar.load,.bar.spawn,.bar.pricing,.bar.note,.bar.restart{fill:var(--blue)}
.outcomes svg{height:6px;margin-top:4px}
.outcomes th:first-child{padding-left:0;width:100%;overflow-wrap:anywhere}
.topology{padding:14px 16px}
.controls{display:flex;gap:12px;align-items:center;margin-bottom:10px}
.controls[hidden]{display:none}
.controls label{font-size:14px;color:var(--soft)}
.controls input{flex:1;min-width:0;height:28px;accent-color:var(--good)}
#play{min-width:76px}
.say{font-size:14px;line-height:1.5;min-height:3em;overflow-wrap:anywhere}
.say span:first-child{font-weight:700;font-size:17px;margin-right:6px}
.say span:last-child{display:block;color:var(--soft)}
#network{max-width:760px;margin:0 auto;max-height:88vh}
.links{fill:none;stroke:var(--link);stroke-width:1;stroke-opacity:.55}
.node .shape{fill:var(--panel);stroke-width:1.6}
.node:not(.up) .shape{stroke:var(--soft);stroke-dasharray:3 2}
.node .off{fill:none;stroke:var(--soft);stroke-width:1.6}
.node.up .off{visibility:hidden}
#network text{font-size:11px;fill:var(--ink);paint-order:stroke;stroke:var(--panel);stroke-width:3px;stroke-linejoin:round}
#network .region{font-size:13px;fill:var(--soft)}
.sector{fill:none;stroke:var(--line);stroke-width:2}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(46%,190px),1fr));gap:12px;margin-top:14px}
.strip figure{margin:0;min-width:0}
.strip svg{background:var(--panel);border:1px solid var(--line);border-radius:10px}
.strip .dots{stroke-width:20}.strip .links{stroke-width:2.2}.strip .off{fill:none;stroke:var(--soft);stroke-width:4}
.strip figcaption{font-size:13px;color:var(--soft);margin-top:4px}.strip figcaption b{color:var(--ink)}
details summary{cursor:pointer;padding:12px 16px;font-weight:600}
details pre{margin:0;padding:0 16px 14px;overflow-x:auto}
details .scroll{padding-bottom:8px}
details .note{padding:0 16px 12px}
.charts+details,.command+.note{margin-top:14px}
.command{margin:0;padding:14px 16px;background:var(--panel);border:1px solid var(--line);border-radius:12px;overflow-x:auto}
.command code{font-size:14px;font-weight:600}
.hash{margin:4px 0 14px;overflow-wrap:anywhere}
.spoken{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:640px){
header,main{padding-left:14px;padding-right:14px}
h1{font-size:23px}section{margin-top:28px}
.tiles{grid-template-columns:1fr 1fr}.tiles b{font-size:20px}.tiles .card{padding:10px 12px}
.timeline,.timeline tbody,.timeline tr{display:block}
.timeline thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.timeline tr{display:flex;flex-wrap:wrap;gap:2px 10px;padding:10px 14px}
.timeline td,.timeline td:first-child{display:block;padding:0;border:0!important;width:auto}
.timeline .lane{order:9;flex-basis:100%;padding-top:4px}
.timeline td:last-child{flex-basis:100%}
.timeline tr+tr{border-top:1px solid var(--grid)}
.controls{flex-wrap:wrap}.controls input{flex-basis:55%}
}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}.node .shape{transition:fill .15s}}
@media print{
header,main{max-width:none;padding-left:0;padding-right:0}
button,.controls,.cursor{display:none!important}
.charts{grid-template-columns:1fr 1fr}
section{margin-top:18px}.card,.chart,.strip figure,.properties li,tr{break-inside:avoid}
h2,h3{break-after:avoid}
.tiles{grid-template-columns:repeat(4,1fr)}.tiles b{font-size:16px}
#network{max-width:420px}.strip{grid-template-columns:repeat(6,1fr);gap:6px}
.card,.verdict,.band,.strip svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;
