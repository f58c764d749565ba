// Adds a refocused slide's regions of trust to the image that is open in QuPath, and its focus map as measurements.
// In QuPath: open OUT.ome.tif, then Automate > Script editor > Run. Choose the folder of results of that slide.
import qupath.lib.io.PathIO
import qupath.fx.dialogs.FileChoosers
import static qupath.lib.scripting.QP.*

def folder = FileChoosers.promptForDirectory("Folder of the slide's results", null)
if (folder == null) {
    return
}
for (name in ["regions.geojson", "cells.geojson"]) {
    def file = new File(folder, name)
    if (!file.exists()) {
        println "${file}: no such file; choose the folder that tsva wrote beside the slide"
        return
    }
    addObjects(PathIO.readObjects(file.toPath()))
}
// colour the cells by focal offset with Measure > Show measurement maps, "focal offset µm"
fireHierarchyUpdate()
println "${getAnnotationObjects().size()} regions and ${getTileObjects().size()} cells added"

// The focus map itself, as an image of one pixel a cell, is opened in the project beside the slide.
def map = new File(folder, "focus_map.ome.tif")
def project = getProject()
if (project != null && map.exists()) {
    def server = buildServer(map.toURI().toString())
    def entry = project.addImage(server.getBuilder())
    entry.setImageName(folder.getName() + " focus map")
    entry.setThumbnail(qupath.lib.gui.commands.ProjectCommands.getThumbnailRGB(server))
    project.syncChanges()
    println "focus map added to the project"
}
