"""Labels that are drawn: polygons and run-length masks of COCO, LabelMe, CVAT and Datumaro, a module each."""
