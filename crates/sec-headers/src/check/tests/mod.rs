mod faults;
mod observatory;
mod presets;
mod properties;
