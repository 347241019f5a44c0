//! The window as a whole: which panel is where, what is dropped on it, what it says.

use std::path::PathBuf;

use eframe::{
    egui::{
        self, Align2, CentralPanel, Context, FocusDirection, Frame, Id, Key, Margin, Order, Panel, ScrollArea, Stroke,
        Ui, UiBuilder, Vec2, vec2,
    },
    wgpu,
};

use super::{
    grid::background::background,
    measure::{
        benchmark::Benchmark,
        frame_log::{FrameLog, FrameRecord},
    },
    options::Options,
    state::{bundled::bundled_model, notices::Level, prefs::Prefs, studio::Studio},
    views::{
        charts::ChartsView,
        close::Closing,
        compare_view::CompareView,
        detail::DetailView,
        dialogs::Dialogs,
        feedback_panel, follow,
        grid_view::GridView,
        history::{self, HistoryView},
        model_card, notices,
        run_panel::{self, RunPanel},
        theme::{self, palette},
        thumbnails::Thumbnails,
        timeline,
        top_bar::TopBar,
        walk::WalkView,
        widgets,
    },
};

/// The window.
pub struct App {
    studio: Studio,
    grid: GridView,
    top_bar: TopBar,
    run_panel: RunPanel,
    history: HistoryView,
    compare: CompareView,
    charts: ChartsView,
    detail: DetailView,
    walk: WalkView,
    thumbnails: Thumbnails,
    dialogs: Dialogs,
    closing: Closing,
    /// Whether something was being typed in a field when the last frame ended.
    was_typing: bool,
    /// Whether a question stood above everything else when the last frame began, and what had the keyboard before it did.
    was_asking: bool,
    before_question: Option<Id>,
    /// What had the keyboard last, unless Escape took it away.
    last_focused: Option<Id>,
    /// Where the keyboard goes on to in the next frame.
    resumed: Option<FocusDirection>,
    frame_log: Option<FrameLog>,
    benchmark: Option<Benchmark>,
    title: String,
    /// Room that panels took at the right and below the grid when they were last drawn.
    reserved: Vec2,
    /// Room that what begins a run took below the settings when it was last drawn.
    start_size: Vec2,
}

impl App {
    /// A window with a model on its way. `format` is that of what is drawn onto.
    pub fn new(ctx: &Context, format: Option<wgpu::TextureFormat>, prefs: Prefs, options: Options) -> Self {
        theme::install(ctx);
        theme::choose(ctx, prefs.theme);
        widgets::note_software(ctx, options.software);
        let device = options.device.unwrap_or(prefs.device);
        let wake = ctx.clone();
        let mut studio = Studio::new(prefs, device, move || wake.request_repaint());
        if let Some(folder) = options.projects {
            studio.keep_projects_in(folder);
        }
        if let Some(model) = options.model.or_else(bundled_model) {
            studio.open(model);
        }
        let since = options.since.unwrap_or_else(std::time::Instant::now);
        let path = options.frame_log.as_deref();
        let log = (path.is_some() || options.measure).then(|| FrameLog::create(path, since));
        let frame_log = match log.transpose() {
            Ok(log) => log,
            Err(error) => {
                let path = path.unwrap_or(std::path::Path::new("the frame log")).display();
                studio.notify(Level::Error, format!("{path}: cannot be written ({error})"));
                None
            }
        };
        Self {
            studio,
            grid: GridView::new(format, !options.software),
            top_bar: TopBar::default(),
            run_panel: RunPanel::default(),
            history: HistoryView::default(),
            compare: CompareView::default(),
            charts: ChartsView::default(),
            detail: DetailView::default(),
            walk: WalkView::default(),
            thumbnails: Thumbnails::default(),
            dialogs: Dialogs::default(),
            closing: Closing::Idle,
            was_typing: false,
            was_asking: false,
            before_question: None,
            last_focused: None,
            resumed: None,
            frame_log,
            benchmark: options.measure.then(Benchmark::new),
            title: String::new(),
            reserved: Vec2::ZERO,
            start_size: Vec2::ZERO,
        }
    }

    /// What the window shows and can do.
    pub fn studio(&mut self) -> &mut Studio {
        &mut self.studio
    }

    /// Asks for files in the window itself, never through the system's dialogs.
    pub fn without_system_dialogs(mut self) -> Self {
        self.dialogs.in_window = true;
        self
    }

    /// Draws one frame. `cpu` are the seconds of processor time that the frame before took, if that is known.
    pub fn show(&mut self, ui: &mut Ui, cpu: Option<f32>) {
        let ctx = ui.ctx().clone();
        self.studio.now = ctx.input(|input| input.time);
        self.studio.poll_events();
        self.thumbnails.update(&ctx, &mut self.studio);
        self.measure(&ctx, cpu);
        // The key that ends typing (Escape, Enter) has taken the keyboard from the field by now, and is no shortcut either.
        let is_typing = ctx.text_edit_focused() || self.was_typing;
        self.grid.keyboard_is_free = !is_typing && ctx.memory(|memory| memory.focused().is_none());
        self.compare.keyboard_is_free = !is_typing;
        self.drops(&ctx);
        let is_asking = self.is_asking(&ctx);
        if !is_asking {
            self.return_keyboard(&ctx);
            self.resume_tab(&ctx);
            self.top_bar.shortcuts(ui, (&mut self.studio, &mut self.dialogs), is_typing);
        }
        self.panels(ui);
        if !is_asking {
            self.before_question = ctx.memory(|memory| memory.focused());
        }
        self.was_asking = is_asking;
        let said = self.studio.notices.all().len();
        if let Some(seconds) = self.studio.advance_timeline() {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(seconds));
        }
        self.charts.large(&ctx, &mut self.studio);
        self.top_bar.keys.ui(&ctx);
        self.top_bar.remote.ui(&ctx, &mut self.studio);
        self.detail.ui(&ctx, &mut self.studio);
        self.walk.ui(&ctx, &mut self.studio, &mut self.dialogs);
        self.dialogs.ui(&ctx, &mut self.studio, self.grid.first());
        self.closing.ui(&ctx, &mut self.studio, &mut self.dialogs);
        follow::end_frame(&ctx);
        widgets::focus_ring(&ctx);
        self.was_typing = ctx.text_edit_focused();
        if self.studio.notices.all().len() != said {
            // They have their place among the panels of the next frame.
            ctx.request_repaint();
        }
        if let Some(seconds) = self.studio.keep_marks() {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(seconds));
        }
        self.name_window(&ctx);
        self.remember_window(&ctx);
    }

    /// Notes the frame, and goes on with the benchmark.
    fn measure(&mut self, ctx: &Context, cpu: Option<f32>) {
        // A frame whose panels changed is laid out twice.
        let Some(log) = self.frame_log.as_mut().filter(|_| ctx.current_pass_index() == 0) else { return };
        let Self { studio, grid, benchmark, .. } = self;
        let step = benchmark.as_ref().map_or("open", Benchmark::name);
        let (training, tiles, filled) = (studio.is_training(), grid.drawn, grid.filled);
        log.record(FrameRecord { cpu, step, training, tiles, filled });
        if benchmark.as_mut().is_some_and(|benchmark| benchmark.advance(studio, grid)) {
            print!("{}", log.summary());
            studio.unsaved = false;
            *benchmark = None;
            self.closing = Closing::Confirmed;
        }
        // A measurement without frames measures nothing.
        ctx.request_repaint();
    }

    /// What had the keyboard before a question came has it again after the answer, unless something else has it by then.
    fn return_keyboard(&self, ctx: &Context) {
        let before = self.before_question.filter(|_| self.was_asking);
        if let Some(id) = before.filter(|_| ctx.memory(|memory| memory.focused().is_none())) {
            ctx.memory_mut(|memory| memory.request_focus(id));
        }
    }

    /// Tab goes on from what had the keyboard last, also if that has let it go: a field after Enter, or a button that was away for
    /// a while. After Escape it begins anew.
    fn resume_tab(&mut self, ctx: &Context) {
        if let Some(direction) = self.resumed.take() {
            ctx.memory_mut(|memory| memory.move_focus(direction));
        }
        let focused = ctx.memory(|memory| memory.focused());
        let (escape, tab, shift) =
            ctx.input(|input| (input.key_pressed(Key::Escape), input.key_pressed(Key::Tab), input.modifiers.shift));
        if escape {
            self.last_focused = None;
        } else if focused.is_some() {
            self.last_focused = focused;
        } else if tab {
            let is_there =
                |id: &Id| ctx.read_response(*id).is_some_and(|last| last.enabled() && last.sense.is_focusable());
            let Some(id) = self.last_focused.filter(is_there) else { return };
            // In this frame it gets the keyboard back, in the next one that moves on.
            ctx.memory_mut(|memory| {
                memory.request_focus(id);
                memory.move_focus(FocusDirection::None);
            });
            self.resumed = Some(if shift { FocusDirection::Previous } else { FocusDirection::Next });
            ctx.request_repaint();
        }
    }

    /// Whether a question stands above everything else.
    fn is_asking(&self, ctx: &Context) -> bool {
        let looks_closely = DetailView::is_open(&self.studio) || WalkView::is_open(&self.studio);
        let reads = self.top_bar.keys.is_open() || self.charts.is_large();
        let asks = self.dialogs.is_open() || self.closing.is_asking();
        reads || looks_closely || asks || ctx.memory(|memory| memory.top_modal_layer().is_some())
    }

    /// Draws all panels. The keyboard goes through them as the eye does: the left panel, the grid, what is below it, the right
    /// panel. So the grid is drawn before panels that take room from it, in the room they left when they were last drawn.
    fn panels(&mut self, ui: &mut Ui) {
        Panel::top("top").exact_size(46.0).frame(frame(Margin::symmetric(16, 0))).show(ui, |ui| {
            self.top_bar.ui(ui, &mut self.studio, &mut self.dialogs);
        });
        let width = ui.available_width();
        let shown = self.studio.prefs.window;
        self.left_panel(ui, width);
        let whole = ui.available_rect_before_wrap();
        let mut column = whole;
        column.max.x = (whole.max.x - self.reserved.x).max(whole.min.x);
        let mut below = ui.new_child(UiBuilder::new().id_salt("column").max_rect(column));
        let mut place = column;
        place.max.y = (column.max.y - self.reserved.y).max(column.min.y);
        self.centre(&mut below.new_child(UiBuilder::new().id_salt("centre").max_rect(place)));
        self.panels_below(&mut below);
        self.right_panel(ui, width);
        let right = whole.max.x - ui.available_rect_before_wrap().max.x;
        let reserved = vec2(right, column.max.y - below.available_rect_before_wrap().max.y);
        note_size(ui.ctx(), reserved, &mut self.reserved);
        if self.studio.prefs.window != shown {
            self.studio.prefs.save();
        }
    }

    fn left_panel(&mut self, ui: &mut Ui, width: f32) {
        let Self { studio, thumbnails, dialogs, .. } = self;
        let most = (width * 0.27).clamp(210.0, 360.0);
        let panel = Panel::left("feedback").default_size(252.0).size_range(210.0..=most).frame(frame(Margin::ZERO));
        let mut shown = studio.prefs.window.left_panel;
        panel.show_collapsible(ui, &mut shown, |ui| {
            ScrollArea::vertical().id_salt("left").auto_shrink(false).show(ui, |ui| {
                Frame::new().inner_margin(Margin::same(16)).show(ui, |ui| {
                    model_card::ui(ui, studio, dialogs);
                    widgets::gap(ui);
                    feedback_panel::ui(ui, studio, thumbnails, dialogs);
                    widgets::keep_focus_in_sight(ui);
                });
            });
        });
        studio.prefs.window.left_panel = shown;
    }

    fn right_panel(&mut self, ui: &mut Ui, width: f32) {
        let Self { studio, run_panel: settings, charts, dialogs, start_size, .. } = self;
        let most = (width * 0.35).clamp(280.0, 460.0);
        let panel = Panel::right("run").default_size(312.0).size_range(280.0..=most).frame(frame(Margin::ZERO));
        let mut shown = studio.prefs.window.right_panel;
        panel.show_collapsible(ui, &mut shown, |ui| {
            let whole = ui.available_rect_before_wrap();
            ui.expand_to_include_rect(whole);
            let mut above = whole;
            above.max.y = (whole.max.y - start_size.y).max(whole.min.y);
            let mut form = ui.new_child(UiBuilder::new().id_salt("form").max_rect(above));
            ScrollArea::vertical().id_salt("right").auto_shrink(false).show(&mut form, |ui| {
                Frame::new().inner_margin(Margin::same(16)).show(ui, |ui| {
                    settings.ui(ui, studio, charts, dialogs);
                    widgets::keep_focus_in_sight(ui);
                });
            });
            // What begins a run stays in sight, however many settings a method has.
            if studio.run.in_progress().is_none() {
                let margin = Margin { left: 16, right: 16, top: 8, bottom: 12 };
                Panel::bottom("start")
                    .resizable(false)
                    .frame(frame(margin))
                    .show(ui, |ui| run_panel::start(ui, studio, dialogs));
            }
            let height = whole.max.y - ui.available_rect_before_wrap().max.y;
            note_size(ui.ctx(), vec2(0.0, height), start_size);
        });
        studio.prefs.window.right_panel = shown;
    }

    /// What stands below the grid: the lowest first.
    fn panels_below(&mut self, ui: &mut Ui) {
        let Self { studio, thumbnails, dialogs, history: history_view, .. } = self;
        if !history::is_empty(studio) {
            let margin = Margin { left: 16, right: 16, top: 8, bottom: 6 };
            Panel::bottom("history").resizable(false).frame(frame(margin)).show(ui, |ui| {
                history_view.ui(ui, studio, thumbnails, dialogs);
            });
        }
        if !timeline::is_empty(studio) {
            let margin = Margin { left: 16, right: 16, top: 10, bottom: 10 };
            Panel::bottom("timeline").resizable(false).frame(frame(margin)).show(ui, |ui| {
                timeline::ui(ui, studio, thumbnails, dialogs);
            });
        }
        if !notices::is_empty(ui.ctx(), studio) {
            let margin = Margin { left: 16, right: 16, top: 8, bottom: 8 };
            Panel::bottom("notices").resizable(false).frame(frame(margin)).show(ui, |ui| notices::ui(ui, studio));
        }
    }

    fn centre(&mut self, ui: &mut Ui) {
        let Self { studio, grid, compare, thumbnails, .. } = self;
        let canvas = palette(ui.style()).canvas;
        CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
            ui.painter().add(background(ui.max_rect(), canvas, grid.format()));
            match studio.comparison().filter(|_| studio.view.scatter) {
                Some(comparison) => {
                    // A labeler that looks through samples does so behind it.
                    studio.update_order();
                    compare.ui(ui, studio, thumbnails, &comparison);
                }
                None => grid.ui(ui, studio),
            }
        });
    }

    /// Notes how large the window is, for the next time it is opened.
    fn remember_window(&mut self, ctx: &Context) {
        let (maximized, other) = ctx.input(|input| {
            let viewport = input.viewport();
            (viewport.maximized == Some(true), viewport.minimized == Some(true) || viewport.fullscreen == Some(true))
        });
        let window = &mut self.studio.prefs.window;
        if !other {
            window.maximized = maximized;
            if !maximized {
                window.size = (ctx.content_rect().size() * ctx.zoom_factor()).into();
            }
        }
    }

    fn drops(&mut self, ctx: &Context) {
        let (dropped, hovering) =
            ctx.input(|input| (input.raw.dropped_files.clone(), !input.raw.hovered_files.is_empty()));
        for file in dropped {
            self.studio.open(file.path().to_owned());
        }
        if hovering {
            let p = palette(&ctx.global_style());
            let screen = ctx.content_rect();
            let painter = ctx.layer_painter(egui::LayerId::new(Order::Foreground, Id::unique("drop")));
            painter.rect_filled(screen, 0.0, p.canvas.gamma_multiply(0.85));
            let inner = screen.shrink(24.0);
            painter.rect_stroke(inner, 14.0, Stroke::new(2.0, p.after), egui::StrokeKind::Inside);
            let font = egui::FontId::proportional(22.0);
            let text = "Drop a model, a project, a labeler (.onnx), marks (.json) or a folder of pictures";
            painter.text(screen.center(), Align2::CENTER_CENTER, text, font, p.text);
        }
    }

    fn name_window(&mut self, ctx: &Context) {
        let name = self.studio.open_name();
        let star = if self.studio.unsaved { "*" } else { "" };
        let title = match name {
            Some(name) => format!("{name}{star} \u{2013} Unlearn Studio"),
            None => "Unlearn Studio".to_owned(),
        };
        if title != self.title {
            self.title = title.clone();
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title));
        }
    }

    /// Opens a file, as if it had been dropped.
    pub fn open(&mut self, path: PathBuf) {
        self.studio.open(path);
    }
}

/// Around a panel's content. The window is cleared with the panels' colour.
fn frame(margin: Margin) -> Frame {
    Frame::new().inner_margin(margin)
}

/// Notes the room that panels took which are drawn after what they take it from. Where it has changed, the frame is laid out
/// once more.
fn note_size(ctx: &Context, size: Vec2, noted: &mut Vec2) {
    if (size - *noted).abs().max_elem() > 0.5 {
        *noted = size;
        ctx.request_discard("a panel has another size");
        ctx.request_repaint();
    }
}

impl eframe::App for App {
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }

    fn logic(&mut self, _ctx: &Context, _frame: &mut eframe::Frame) {
        // Also while the window is hidden: what a run reports must not pile up.
        self.studio.poll_events();
    }

    /// The window is gone already: what a run has reached may take a moment to be saved.
    fn on_exit(&mut self) {
        self.studio.prefs.save();
        self.studio.close();
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        self.show(ui, frame.info().cpu_usage);
    }
}
