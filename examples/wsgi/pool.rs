//! The pool: a template that has the application, and a fixed number of places with a worker each.

use crate::Arguments;
use crate::idle::Idle;
use crate::place::Place;
use anyfork::{Command, ErrorKind, NO_ARGS, Python, Template, Worker};
use std::io;
use std::path::{self, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Dropping it kills its workers.
pub(crate) struct Pool {
    pub(crate) idle: Arc<Idle>,
    places: JoinSet<()>,
    ending: CancellationToken,
}

impl Pool {
    /// Returns when the application has been imported. The workers start on their own.
    pub(crate) async fn start(arguments: &Arguments) -> io::Result<Self> {
        let source = Arc::new(Source::new(arguments).await?);
        let (idle, ending) = (Arc::new(Idle::new()), CancellationToken::new());
        let place = || Place {
            source: Arc::clone(&source),
            idle: Arc::clone(&idle),
            ending: ending.clone(),
            requests: arguments.requests.unwrap_or(u64::MAX),
        };
        let places = (0..arguments.workers).map(|_| place().keep()).collect();
        Ok(Pool { idle, places, ending })
    }

    /// Ends the workers. There should be no requests any more.
    pub(crate) async fn end(self) {
        self.idle.close();
        self.ending.cancel();
        self.places.join_all().await;
    }
}

/// Where workers come from.
pub(crate) struct Source {
    application: Application,
    /// Behind a lock, as whoever finds it dead makes another one.
    template: Mutex<Template<Python>>,
}

impl Source {
    async fn new(arguments: &Arguments) -> io::Result<Self> {
        let application = Application::new(arguments)?;
        Ok(Source { template: Mutex::new(application.template().await?), application })
    }

    pub(crate) async fn worker(&self) -> anyfork::Result<Worker> {
        let mut template = self.template.lock().await;
        match fork(&template).await {
            // Somebody killed it, and with it all its workers.
            Err(error) if error.kind() == ErrorKind::TemplateGone => {
                *template = self.application.template().await?;
                fork(&template).await
            }
            outcome => outcome,
        }
    }
}

/// What the workers serve.
struct Application {
    python: PathBuf,
    directory: PathBuf,
    module: String,
    object: String,
}

impl Application {
    fn new(arguments: &Arguments) -> io::Result<Self> {
        let (module, object) = arguments.app.split_once(':').unwrap_or((&arguments.app, "application"));
        // A bare name is one in PATH; a path begins here, and not where the interpreter is to run.
        let is_name = arguments.python.components().count() == 1;
        let python = if is_name { arguments.python.clone() } else { path::absolute(&arguments.python)? };
        let directory = arguments.directory.clone();
        Ok(Application { python, directory, module: module.into(), object: object.into() })
    }

    /// An interpreter that has imported it: all its forks share the memory.
    async fn template(&self) -> anyfork::Result<Template<Python>> {
        let mut command = Command::new(&self.python);
        command.current_dir(&self.directory);
        // As text, so that nothing has to be installed beside this program, and no module of the application has its name.
        let process = Python::from_command(command).eval(include_str!("worker.py"), NO_ARGS);
        let process = process.import(&self.module).call("load", [&self.module, &self.object]);
        let template = process.name("wsgi: template").start_template().await?;
        println!("template {} has imported {}", template.pid(), self.module);
        Ok(template)
    }
}

async fn fork(template: &Template<Python>) -> anyfork::Result<Worker> {
    template.fork().name("wsgi: worker").die_with_owner(true).kill_on_drop(true).start("serve").await
}
