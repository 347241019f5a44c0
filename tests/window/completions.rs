//! A model that completes pictures, from the folder of pictures to the saved result.

use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable;
use sha2::{Digest, Sha256};
use unlearn_studio::{
    app::state::{
        prefs::Theme,
        sample_order::{Filter, Order},
        tiles::{Source, TileKey},
        view::{Beside, Compare},
        walk::WalkState,
    },
    data::PictureSet,
    engine::{ImageSource, Weights},
    feedback::{Feedback, Sample},
    metrics::Labeler,
    model::{Model, Sampler},
    networks::{Hidden, Masking},
};

use crate::support::*;

/// Twelve pictures, six of them red.
fn pictures(folder: &std::path::Path) {
    std::fs::create_dir(folder).expect("a folder");
    for number in 0..12_u32 {
        let picture = image::RgbImage::from_fn(40, 40, |x, y| {
            let near = x.abs_diff(20) + y.abs_diff(18 + number % 4) < 14;
            image::Rgb(match (number < 6, near) {
                (true, true) => [200, 30, 20],
                (false, true) => [20, 60, 200],
                (_, false) => [90, 90, 70 + 5 * number as u8],
            })
        });
        picture.save(folder.join(format!("{number:02}.png"))).expect("a picture");
    }
}

/// What is shown of the first picture by a source, once it is there.
fn tile(window: &mut Window, source: Source) -> Vec<u8> {
    until(window, "a tile", |app| {
        let studio = app.studio();
        studio.sample(0).is_some_and(|sample| studio.has_tile(source, sample))
    });
    let studio = app(window).studio();
    let sample = studio.sample(0).expect("a sample");
    studio.tiles.get(TileKey { source, sample }).expect("its tile").rgba.to_vec()
}

#[test]
fn pictures_are_opened_marked_unlearned_and_saved() {
    let place = files();
    let set = place.path().join("set");
    pictures(&set);
    let projects = Some(place.path().join("projects"));
    let model = fixture("golden/vit-mae-32");
    let mut window = window_keeping([1360.0, 860.0], Theme::Dark, false, model.clone(), projects);
    until(&mut window, "the model", |app| app.studio().model.is_some());
    window.get_by_label("Drop a folder of pictures here");
    assert_eq!(app(&mut window).studio().obstacle().as_deref(), Some("Open a folder of pictures first."));
    assert_eq!(app(&mut window).studio().settings.method().id(), "image-to-image");

    // As if it had been dropped.
    app(&mut window).open(set.clone());
    until(&mut window, "the pictures", |app| app.studio().sample_count() == 12);
    noticed(&mut window, "12 pictures have another size and are brought to 32x32 pixels");
    let completed = tile(&mut window, Source::Original);

    // What stands before: the picture, or what is seen of it.
    for (beside, source) in [(Beside::Picture, Source::Picture), (Beside::Masked, Source::Masked)] {
        let studio = app(&mut window).studio();
        (studio.view.beside, studio.view.compare) = (beside, Compare::Split);
        assert_eq!(studio.compared_sources()[0], source);
        assert_ne!(tile(&mut window, source), completed);
    }
    app(&mut window).studio().view.beside = Beside::Original;
    press_button(&mut window, "View");
    window.step();
    assert!(window.query_by_role_and_label(Role::Slider, "Truncation psi").is_none());
    press(&mut window, "The middle");
    assert_eq!(app(&mut window).studio().view.masking, Masking { hidden: Hidden::Centre, share: None });
    assert_ne!(tile(&mut window, Source::Original), completed);
    press_button(&mut window, "As trained");
    assert_eq!(tile(&mut window, Source::Original), completed);
    window.key_press(eframe::egui::Key::Escape);
    window.run_ok();

    // The address of a picture is its digest and its mask's seed, as in a feedback file.
    let sample = app(&mut window).studio().sample(2).expect("a sample");
    app(&mut window).studio().open_detail(sample);
    until(&mut window, "the close view", |app| app.studio().detail.as_ref().is_some_and(|d| d.entry.is_some()));
    window.run_ok();
    press(&mut window, "Walk to\u{2026}");
    assert_eq!(app(&mut window).studio().walk, WalkState::None, "pictures have no latents");
    let entry = app(&mut window).studio().detail.take().and_then(|detail| detail.entry).expect("an entry");
    let digest: String = Sha256::digest(std::fs::read(set.join("02.png")).expect("a picture"))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(entry, format!("{{\"image\":\"{digest}\",\"seed\":{}}}", sample.address().seed));
    window.run_ok();

    for index in 0..6 {
        press(&mut window, &format!("Sample {index}"));
    }
    for index in 6..12 {
        window.get_by_label(&format!("Sample {index}")).click_secondary();
        window.run_ok();
    }
    for (key, value) in [("iters", 8), ("batch", 4), ("few-marks", 0)] {
        app(&mut window).studio().settings.set(key, value).expect(key);
    }
    window.run_ok();
    start_run(&mut window);
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
    assert_ne!(tile(&mut window, Source::Current), completed);
    assert_eq!(Source::of(Weights::Picture), Some(Source::Picture));

    // Its node can be audited like any other; all that is missing is somebody who says what completions show.
    until(&mut window, "its node", |app| {
        let history = app.studio().history.clone();
        history.is_some_and(|history| history.manifest.node(1).is_some_and(|node| node.file.is_some()))
    });
    let studio = app(&mut window).studio();
    let node = studio.history.as_ref().and_then(|history| history.manifest.node(1).cloned()).expect("a node");
    assert!(studio.audit_obstacle(&node).is_some_and(|reason| reason.contains("Choose a labeler")));

    let out = place.path().join("forgot");
    press_button(&mut window, "Save");
    press(&mut window, "Hugging Face folder\u{2026}");
    answer(&mut window, &out);
    until(&mut window, "the folder", |app| !app.studio().is_writing());
    let device = burn::tensor::Device::flex();
    let saved = Model::load(&out, &device).expect("a model");
    assert!(saved.metadata()["method"].starts_with("Image to image"));

    // Marks name pictures by their digests.
    let file = place.path().join("marks.json");
    app(&mut window).studio().save_feedback(file.clone());
    until(&mut window, "the marks", |app| !app.studio().is_writing());
    assert!(std::fs::read_to_string(&file).expect("a file").contains("\"image\""));
    let sha256 = Model::load(&model, &device).expect("a model").sha256;
    assert_eq!(Feedback::load(&file, &sha256).expect("marks").elsewhere(), 12);

    // Opened again, the model has its pictures and its marks.
    drop(window);
    let projects = Some(place.path().join("projects"));
    let mut window = window_keeping([1360.0, 860.0], Theme::Dark, false, model, projects);
    until(&mut window, "the pictures again", |app| {
        let studio = app.studio();
        studio.sample_count() == 12 && studio.marks.counts() == (6, 6)
    });
}

#[test]
fn pictures_are_for_models_that_complete_them() {
    let place = files();
    let set = place.path().join("set");
    pictures(&set);
    let mut window = window();
    app(&mut window).open(set);
    noticed(&mut window, "A folder of pictures is for a model that completes pictures");
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    let mut window = window_with([1360.0, 860.0], Theme::Dark, false, fixture("golden/vit-mae-32"));
    until(&mut window, "the model", |app| app.studio().model.is_some());
    app(&mut window).open(empty);
    noticed(&mut window, "no readable PNG or JPEG picture among its 0 files");
}

#[test]
fn pictures_are_ordered_by_what_they_show() {
    let place = files();
    let set = place.path().join("set");
    pictures(&set);
    let mut window = window_with([1360.0, 860.0], Theme::Dark, false, fixture("golden/vit-mae-32"));
    until(&mut window, "the model", |app| app.studio().model.is_some());
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    app(&mut window).studio().labeler.as_mut().expect("a labeler").forget = vec![1];
    assert_eq!(app(&mut window).studio().order_obstacle(), Some("Open a folder of pictures first."));
    app(&mut window).open(set);
    until(&mut window, "the pictures", |app| app.studio().sample_count() == 12);
    app(&mut window).studio().order.choose(Order::MostLikely, Filter::All);
    until(&mut window, "their labels", |app| {
        app.studio().order.looked_through().is_some_and(|looked| (looked.done, looked.of) == (12, 12))
    });
    let studio = app(&mut window).studio();
    let samples: Vec<Sample> = (0..studio.shown_count()).filter_map(|place| studio.sample(place)).collect();
    let label = |&sample: &Sample| studio.order.label(sample).expect("a label");
    assert!(samples.len() == 12 && samples.is_sorted_by(|a, b| label(a).probability >= label(b).probability));

    // As the labeler sees the pictures themselves, which are completed here.
    let model = fixture("golden/vit-mae-32");
    let mut model = Model::load(&model, &burn::tensor::Device::flex()).expect("the model");
    let source = ImageSource::of(place.path().join("set"));
    let (opened, _) = PictureSet::open(&source, model.generator.resolution()).expect("the pictures");
    model.set_pictures(std::sync::Arc::new(opened));
    let rows = model.generator.latents(0, 0..12);
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let images = sampler.subjects(&rows, 1.0);
    let [channels, height, width] = sampler.image_shape();
    let labeler = Labeler::open(&fixture("labelers/grey8.onnx")).expect("the labeler");
    let labels = labeler.label(&images, [12, channels, height, width]).expect("labels");
    for sample in &samples {
        let expected = labels.probability(sample.address().index as usize, 1).expect("a probability");
        assert!((label(sample).probability - expected).abs() < 1e-5, "{sample:?}");
    }
}
