// All tiles of the grid in one draw call: an instance is a tile, its pictures before and after lie in an atlas.
// There is a pipeline for each way of looking, so that none computes what another shows: without a GPU that is most of a
// frame's time. Colours are in gamma space, as the window's own are; what leaves the fragment shader is premultiplied with alpha.

// 0 after, 1 before, 2 split, 3 difference, 4 heat.
override MODE: u32 = 0;
// Pictures are drawn smaller than they are.
override MINIFIED: bool = false;

struct Globals {
    // Size of the grid on the screen, in points.
    size: vec2<f32>,
    // Pixels per point.
    scale: f32,
    pad: f32,
    // Where the line stands in a split tile, 0 to 1.
    split: f32,
    // Radius of a tile's corners, in points.
    radius: f32,
    // Tiles in a row of the atlas.
    columns: u32,
    // Side of a tile in the atlas, and of the atlas, in texels.
    tile: f32,
    atlas: f32,
    pad0: f32,
    pad1: f32,
    pad2: f32,
    negative: vec4<f32>,
    positive: vec4<f32>,
    before: vec4<f32>,
    after: vec4<f32>,
    // The keyboard's place.
    cursor: vec4<f32>,
    // A tile that is not there yet.
    empty: vec4<f32>,
}

// Bits of an instance's flags.
const NEGATIVE: u32 = 1u;
const POSITIVE: u32 = 2u;
const CURSOR: u32 = 4u;
const HOVERED: u32 = 8u;
const SELECTED: u32 = 16u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> globals: Globals;
@group(0) @binding(1) var atlas: texture_2d<f32>;
@group(0) @binding(2) var smooth_sampler: sampler;

struct Instance {
    // Left, top, width, height in points from the grid's corner.
    @location(0) rect: vec4<f32>,
    // Places of the pictures before and after.
    @location(1) slots: vec2<u32>,
    @location(2) flags: u32,
    // How far the pictures have faded in, 0 to 1.
    @location(3) fade: vec2<f32>,
}

struct Corner {
    @builtin(position) position: vec4<f32>,
    // From the tile's middle, in points.
    @location(0) at: vec2<f32>,
    @location(1) @interpolate(flat) half: vec2<f32>,
    @location(2) @interpolate(flat) slots: vec2<u32>,
    @location(3) @interpolate(flat) flags: u32,
    @location(4) @interpolate(flat) fade: vec2<f32>,
}

// Room around a tile for its frame and its shadow, in points; a plain tile needs it for a smooth edge only.
const MARGIN: f32 = 12.0;
const PLAIN_MARGIN: f32 = 1.0;

@vertex
fn vertex(@builtin(vertex_index) index: u32, instance: Instance) -> Corner {
    let unit = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    let half = instance.rect.zw * 0.5;
    let around = select(PLAIN_MARGIN, MARGIN, (instance.flags & (CURSOR | HOVERED | SELECTED)) != 0u);
    let at = (unit * 2.0 - 1.0) * (half + around);
    let point = (instance.rect.xy + half + at) / globals.size;
    var corner: Corner;
    corner.position = vec4<f32>(point.x * 2.0 - 1.0, 1.0 - point.y * 2.0, 0.0, 1.0);
    corner.at = at;
    corner.half = half;
    corner.slots = instance.slots;
    corner.flags = instance.flags;
    corner.fade = instance.fade;
    return corner;
}

// Distance to a rectangle with round corners; negative inside.
fn round_box(at: vec2<f32>, half: vec2<f32>, radius: f32) -> f32 {
    let q = abs(at) - half + radius;
    return length(max(q, vec2<f32>(0.0))) + min(max(q.x, q.y), 0.0) - radius;
}

// The picture at a place of the atlas; `uv` from 0 to 1. Neighbours are kept out by half a texel.
fn picture(slot: u32, uv: vec2<f32>) -> vec3<f32> {
    let origin = vec2<f32>(f32(slot % globals.columns), f32(slot / globals.columns)) * globals.tile;
    let inside = clamp(uv * globals.tile, vec2<f32>(0.5), vec2<f32>(globals.tile - 0.5));
    return textureSampleLevel(atlas, smooth_sampler, (origin + inside) / globals.atlas, 0.0).rgb;
}

// The picture; where it is drawn smaller than it is, the mean of four points of a pixel, so that it does not flicker.
fn sharp(slot: u32, uv: vec2<f32>, pixel: vec2<f32>) -> vec3<f32> {
    if !MINIFIED {
        return picture(slot, uv);
    }
    let d = pixel * 0.25;
    return 0.25 * (picture(slot, uv + d) + picture(slot, uv - d)
        + picture(slot, uv + vec2<f32>(d.x, -d.y)) + picture(slot, uv + vec2<f32>(-d.x, d.y)));
}

// From black over purple and orange to pale yellow: every step is brighter than the one before.
fn heat(x: f32) -> vec3<f32> {
    let t = clamp(x, 0.0, 1.0);
    let red = smoothstep(0.0, 0.55, t);
    let green = smoothstep(0.35, 0.95, t);
    let blue = 0.45 * smoothstep(0.0, 0.25, t) * (1.0 - smoothstep(0.3, 0.65, t)) + 0.8 * smoothstep(0.8, 1.0, t);
    return vec3<f32>(red, green, blue);
}

fn over(below: vec4<f32>, colour: vec3<f32>, alpha: f32) -> vec4<f32> {
    return below * (1.0 - alpha) + vec4<f32>(colour * alpha, alpha);
}

@fragment
fn fragment(corner: Corner) -> @location(0) vec4<f32> {
    let edge = 1.0 / globals.scale;
    let dist = round_box(corner.at, corner.half, globals.radius);
    let inside = clamp(0.5 - dist / edge, 0.0, 1.0);
    let uv = corner.at / (corner.half * 2.0) + 0.5;
    let pixel = edge / (corner.half * 2.0);
    let has_before = corner.slots.x != NONE;
    let has_after = corner.slots.y != NONE;
    // Only what is shown is looked up.
    var before = vec3<f32>(0.0);
    var after = vec3<f32>(0.0);
    if inside > 0.0 && has_before && MODE != 0u {
        before = sharp(corner.slots.x, uv, pixel);
    }
    if inside > 0.0 && has_after && MODE != 1u {
        after = sharp(corner.slots.y, uv, pixel);
    }

    var colour = globals.empty.rgb;
    var shown = 0.0;
    var image = colour;
    switch MODE {
        case 0u: {
            image = after;
            shown = select(0.0, corner.fade.y, has_after);
        }
        case 1u: {
            image = before;
            shown = select(0.0, corner.fade.x, has_before);
        }
        case 2u: {
            let left = uv.x < globals.split;
            image = select(after, before, left);
            shown = select(select(0.0, corner.fade.y, has_after), select(0.0, corner.fade.x, has_before), left);
            let line = abs(uv.x - globals.split) * corner.half.x * 2.0;
            let tint = select(globals.after.rgb, globals.before.rgb, left);
            image = mix(image, tint, clamp(1.75 - line / edge * 0.75, 0.0, 1.0));
        }
        case 3u: {
            // Grey where nothing changed.
            image = clamp(vec3<f32>(0.5) + (after - before) * 0.75, vec3<f32>(0.0), vec3<f32>(1.0));
            shown = select(0.0, min(corner.fade.x, corner.fade.y), has_before && has_after);
        }
        default: {
            let change = abs(after - before);
            let amount = max(change.r, max(change.g, change.b));
            let grey = dot(after, vec3<f32>(0.2126, 0.7152, 0.0722));
            let strength = smoothstep(0.03, 0.75, amount);
            image = mix(vec3<f32>(grey * 0.45), heat(0.15 + strength), smoothstep(0.03, 0.14, amount));
            shown = select(0.0, min(corner.fade.x, corner.fade.y), has_before && has_after);
        }
    }
    colour = mix(colour, image, shown);

    let negative = (corner.flags & NEGATIVE) != 0u;
    let positive = (corner.flags & POSITIVE) != 0u;
    let hovered = (corner.flags & HOVERED) != 0u;
    var out = vec4<f32>(0.0);
    if hovered {
        // A soft shadow lifts the tile above its neighbours.
        out = over(out, vec3<f32>(0.0), 0.45 * (1.0 - smoothstep(0.0, MARGIN, max(dist - 1.0, 0.0))));
    }
    if (corner.flags & CURSOR) != 0u {
        let ring = abs(dist - 2.5) - 1.0;
        out = over(out, globals.cursor.rgb, clamp(0.5 - ring / edge, 0.0, 1.0));
    }
    if (corner.flags & SELECTED) != 0u {
        let ring = abs(dist - 1.5) - 1.5;
        out = over(out, globals.cursor.rgb, 0.8 * clamp(0.5 - ring / edge, 0.0, 1.0));
    }
    out = over(out, colour, inside);
    if negative || positive {
        let mark = select(globals.positive.rgb, globals.negative.rgb, negative);
        let width = clamp(corner.half.x * 0.06, 2.0, 4.0);
        let frame = clamp(0.5 - (abs(dist + width * 0.5) - width * 0.5) / edge, 0.0, 1.0);
        out = over(out, mark, frame);
        // A badge in the corner, with a sign, so that the mark does not hang on its colour alone.
        let r = clamp(corner.half.x * 0.19, 5.0, 10.0);
        let badge = corner.at - vec2<f32>(corner.half.x - r, r - corner.half.y);
        out = over(out, mark, clamp(0.5 - (length(badge) - r) / edge, 0.0, 1.0) * inside);
        let arm = r * 0.52;
        let thick = max(r * 0.17, 0.8);
        var sign_distance = max(abs(badge.x) - arm, abs(badge.y) - thick);
        if positive {
            // A tick: two strokes that meet below the middle.
            let foot = vec2<f32>(-0.12, 0.38) * r;
            let short = segment(badge, foot, vec2<f32>(-0.46, 0.04) * r);
            let long = segment(badge, foot, vec2<f32>(0.5, -0.36) * r);
            sign_distance = min(short, long) - thick;
        }
        out = over(out, vec3<f32>(1.0), clamp(0.5 - sign_distance / edge, 0.0, 1.0));
    }
    return out;
}

fn segment(p: vec2<f32>, a: vec2<f32>, b: vec2<f32>) -> f32 {
    let along = clamp(dot(p - a, b - a) / dot(b - a, b - a), 0.0, 1.0);
    return length(p - a - (b - a) * along);
}
